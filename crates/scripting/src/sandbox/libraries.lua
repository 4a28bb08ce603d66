-- Libraries of functions: what their texts see while they are run, what they register and require, and what their functions
-- see when they are called. Runs once in a VM, after the prelude.
--
-- A library's text is run once for each instance of it that a VM needs. An instance has an environment of its own: at first it
-- shows `redis` (little of it) and `require` alone, as in Redis; once the text has ended, everything that functions may use.
local globals, view, native, load_api, function_api = ...

local error, select, setmetatable, type, next = globals.error, globals.select, globals.setmetatable, globals.type, globals.next
local find, lower, concat = globals.string.find, globals.string.lower, globals.table.concat
local missing = globals.getmetatable(globals).__index
local loading, chunk_of = native.loading, native.chunk_of

local LOADING = {}

-- Raises an error that has no place in the text, as Redis's own are.
local function fail(text)
  error({ err = "ERR " .. text })
end

local function refuse()
  error("Attempt to modify a readonly table", 2)
end

local function is_text(value)
  local kind = type(value)
  return kind == "string" or kind == "number"
end

local function text_argument(name, value)
  if not is_text(value) then
    fail(name .. " argument given to redis.register_function must be a string")
  end
  return value .. ""
end

-- What `redis.register_function{...}` was given.
local function named_arguments(arguments)
  local name, callback, description, flags
  for key, value in next, arguments do
    if not is_text(key) then
      fail("named argument key given to redis.register_function is not a string")
    end
    key = lower(key)
    if key == "function_name" then
      name = text_argument(key, value)
    elseif key == "description" then
      description = text_argument(key, value)
    elseif key == "callback" then
      if type(value) ~= "function" then
        fail("callback argument given to redis.register_function must be a function")
      end
      callback = value
    elseif key == "flags" then
      if type(value) ~= "table" then
        fail("flags argument to redis.register_function must be a table representing function flags")
      end
      flags = {}
      for at = 1, #value do
        if type(value[at]) ~= "string" then
          fail("unknown flag given")
        end
        flags[at] = value[at]
      end
    else
      fail("unknown argument given to redis.register_function")
    end
  end
  if not name then
    fail("redis.register_function must get a function name argument")
  elseif not callback then
    fail("redis.register_function must get a callback argument")
  end
  return name, callback, description, flags
end

local function arguments(...)
  local first, callback = ...
  local count = select("#", ...)
  if count < 1 or count > 2 then
    fail("wrong number of arguments to redis.register_function")
  elseif count == 1 then
    if type(first) ~= "table" then
      fail("calling redis.register_function with a single argument is only applicable to Lua table (representing named arguments).")
    end
    return named_arguments(first)
  elseif not is_text(first) then
    fail("first argument to redis.register_function must be a string")
  elseif type(callback) ~= "function" then
    fail("second argument to redis.register_function must be a function")
  end
  return first .. "", callback
end

-- The instance whose text is being run.
local function instance_for(name)
  local instance = loading()
  if not instance or instance.ready then
    fail(name .. " can only be called on FUNCTION LOAD command")
  end
  return instance
end

function load_api.register_function(...)
  local instance = instance_for("redis.register_function")
  local name, callback, description, flags = arguments(...)
  if not find(name, "^[%w_]+$") then
    fail("Library names can only contain letters, numbers, or underscores(_) and must be at least one character long")
  end
  if #instance.path > 1 then
    return
  end
  if instance.taken[lower(name)] then
    fail("Function already exists in the library")
  end
  instance.taken[lower(name)] = true
  instance.functions[name] = callback
  instance.registered[#instance.registered + 1] = { name = name, description = description, flags = flags or {} }
end

-- What another library's text returns. Each instance runs that text for itself, so that libraries share code and no state.
local function require(...)
  local instance = instance_for("require")
  local name = ...
  if type(name) ~= "string" then
    fail("require must be called with the name of a library")
  end
  local path, known = instance.path, instance.modules[name]
  if known == LOADING then
    fail("Library '" .. name .. "' requires itself: " .. concat(path, " -> ") .. " -> " .. name)
  elseif known then
    return known
  end
  local chunk, message = chunk_of(name, instance.environment)
  if not chunk then
    fail(message or "Library '" .. name .. "', which is required, is not loaded")
  end
  instance.modules[name] = LOADING
  instance.requires[#instance.requires + 1] = name
  path[#path + 1] = name
  local value = chunk()
  path[#path] = nil
  if type(value) ~= "table" then
    fail("Library '" .. name .. "', which is required, returns no table")
  end
  instance.modules[name] = value
  return value
end

local redis = view(setmetatable(load_api, { __index = missing }))
local at_load = setmetatable({ redis = redis, server = redis, require = require }, { __index = missing })

local at_call = setmetatable({}, { __index = missing })
for name, value in next, globals do
  at_call[name] = value
end
at_call.redis = view(function_api)
at_call.server = at_call.redis
at_call._G = view(at_call, view({ __index = missing }))

local function new_instance(name)
  local shows = { __index = at_load, __newindex = refuse }
  return {
    environment = setmetatable({}, shows),
    shows = shows,
    functions = {},
    registered = {},
    taken = {},
    modules = { [name] = LOADING },
    requires = {},
    path = { name },
    ready = false,
  }
end

local function load(instance, chunk)
  local value = chunk()
  instance.returns_table = type(value) == "table"
  instance.shows.__index = at_call
  instance.ready = true
end

local function load_and_call(instance, chunk, name, keys, arguments)
  load(instance, chunk)
  return instance.functions[name](keys, arguments)
end

return new_instance, load, load_and_call
