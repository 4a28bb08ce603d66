-- Builds what scripts see from what the engine offers. Runs once in a VM.
--
-- LuaJIT has no read-only tables. A protected table is therefore an empty table (a view) in front of the real one, which
-- no script can reach: reading falls through to the real table, writing raises. The functions that read or write a
-- table without its metatable are replaced by ones that know views; they are the only way around a metatable, so a
-- function that is added here and writes raw must know them too.
local engine, native = ...

local error, type, select, pcall = engine.error, engine.type, engine.select, engine.pcall
local setmetatable, getmetatable = engine.setmetatable, engine.getmetatable
local rawget, rawset, next, pairs = engine.rawget, engine.rawset, engine.next, engine.pairs
local collectgarbage, xpcall = engine.collectgarbage, engine.xpcall
local concat, gsub = native.text.concat, native.text.gsub
local insert, remove, foreach = engine.table.insert, engine.table.remove, engine.table.foreach
local floor, tonumber = engine.math.floor, engine.tonumber
local create, resume, wrap = engine.coroutine.create, engine.coroutine.resume, engine.coroutine.wrap
local assert, pause, unpack = engine.assert, native.pause, engine.unpack

local READ_ONLY = "Attempt to modify a readonly table"

local contents = {}    -- view -> the table behind it
local metatables = {}  -- view -> what getmetatable shows for it, false for nil

local function refuse()
  error(READ_ONLY, 2)
end

local function view(real, metatable)
  local proxy = {}
  contents[proxy] = real
  metatables[proxy] = metatable or false
  return setmetatable(proxy, { __index = real, __newindex = refuse, __metatable = false })
end

local function copy(real)
  local result = {}
  for key, value in next, real do
    result[key] = value
  end
  return result
end

local function pick(source, names)
  local result = {}
  for name in names:gmatch("%w+") do
    result[name] = source[name]
  end
  return result
end

local globals = pick(engine, [[error ipairs rawequal select tonumber tostring type gcinfo]])
globals._VERSION = "Lua 5.1"

function globals.getmetatable(...)
  local value = ...
  if value ~= nil then
    local shown = metatables[value]
    if shown ~= nil then
      return shown or nil
    end
  end
  return getmetatable(...)
end

function globals.setmetatable(...)
  local target, metatable = ...
  if target ~= nil and contents[target] then
    if type(metatable) == "table" or (metatable == nil and select("#", ...) > 1) then
      error(READ_ONLY, 0)
    end
  end
  return setmetatable(...)
end

function globals.rawset(...)
  local target = ...
  if target ~= nil and contents[target] and select("#", ...) > 2 then
    error(READ_ONLY, 0)
  end
  return rawset(...)
end

function globals.rawget(...)
  local target, key = ...
  local real = target ~= nil and contents[target]
  if real and select("#", ...) > 1 then
    return rawget(real, key)
  end
  return rawget(...)
end

-- What pcall gives of an error that is a table with `err`: its text. The table itself, and then what it has under `err`,
-- if that is no text.
local function caught(ok, ...)
  if ok then
    return true, ...
  end
  local value = ...
  if type(value) == "table" then
    local text = value.err
    if type(text) == "string" or type(text) == "number" then
      return false, text
    end
    return false, value, text
  end
  return false, value
end

function globals.pcall(...)
  if select("#", ...) == 0 then
    return pcall()
  end
  return caught(pcall(...))
end

function globals.assert(...)
  local value, message = ...
  if not value then
    local kind = type(message)
    if kind == "nil" and select("#", ...) > 0 then
      return assert(value)
    elseif kind ~= "nil" and kind ~= "string" and kind ~= "number" then
      return native.require_text(value, message)
    end
  end
  return assert(...)
end

-- xpcall calls its handler when the error has unwound, not inside it, where nothing could be suspended. What a handler raises, the
-- handler handles, until that is too deep.

local MOST_HANDLERS = 221

local function handle(handler, ok, ...)
  if ok then
    return ok, ...
  end
  local problem, level = (...), 0
  while type(handler) == "function" and level < MOST_HANDLERS do
    local answered, answer = pcall(handler, problem)
    if answered then
      return false, answer
    end
    problem, level = answer, level + 1
  end
  return false, "error in error handling"
end

function globals.xpcall(...)
  if select("#", ...) < 2 then
    return xpcall(...)
  end
  local call, handler = ...
  return handle(handler, pcall(call))
end

globals.loadstring = native.loadstring

-- unpack. The engine's puts up to 8,000 values on the stack from C; more than that come from Lua, some at each level.

local FROM_C, FROM_LUA = 7900, 60000
local STEP = 200
local unpack_more
do
  local values = {}
  for at = 0, STEP - 1 do
    values[at + 1] = "t[i + " .. at .. "]"
  end
  unpack_more = engine.loadstring([[
    local unpack = ...
    local function more(t, i, j)
      if j - i < 7900 then
        return unpack(t, i, j)
      end
      return ]] .. concat(values, ", ") .. [[, more(t, i + ]] .. STEP .. [[, j)
    end
    return more
  ]], "=[C]")(unpack)
end

function globals.unpack(...)
  local values, first, last = ...
  if type(values) ~= "table" then
    return unpack(...)
  end
  first, last = first or 1, last or #values
  if type(first) ~= "number" or type(last) ~= "number" then
    return unpack(...)
  end
  local count = last - first + 1
  if not (count > FROM_C and count <= FROM_LUA) then
    return unpack(...)
  end
  first, last = floor(first), floor(last)
  if getmetatable(values) ~= nil then
    local plain = {}
    for at = first, last do
      plain[at] = rawget(values, at)
    end
    values = plain
  end
  return unpack_more(values, first, last)
end

function globals.load(reader, name)
  if type(reader) ~= "function" then
    return native.require_function(reader)
  end
  local pieces, count = {}, 0
  while true do
    local ok, piece = pcall(reader)
    if not ok then
      return nil, piece
    end
    if piece == nil or piece == "" then
      break
    end
    local kind = type(piece)
    if kind ~= "string" and kind ~= "number" then
      return nil, "reader function must return a string"
    end
    count = count + 1
    pieces[count] = piece
  end
  return native.loadstring(concat(pieces), name or "=(load)")
end

local OPTIONS = { collect = true, count = true, step = true, stop = 0, restart = 0, setpause = 200, setstepmul = 200 }

local SMALL_STEP = 64  -- kilobytes

-- The collector belongs to the VM, not to a script: it can be asked and made to work, not stopped or tuned.
function globals.collectgarbage(...)
  local option, size = ...
  if option == nil then
    return native.text.collect()
  elseif type(option) ~= "string" then
    return collectgarbage(...)
  end
  local effect = OPTIONS[option]
  if option == "collect" then
    return native.text.collect()
  elseif option == "step" and (tonumber(size) or 0) > SMALL_STEP then
    native.text.collect()
    return true
  elseif effect == true then
    return collectgarbage(...)
  elseif effect then
    return effect
  end
  return native.refuse_option(option)
end

local math = pick(engine.math, [[abs acos asin atan atan2 ceil cos cosh deg exp floor fmod frexp huge ldexp log log10 max
  min modf pi pow rad sin sinh sqrt tan tanh]])
math.mod = math.fmod
math.random = native.random.random
math.randomseed = native.random.randomseed

-- What works for long can be left and taken up again: see library/text. What is short by all means is left to the engine,
-- which may compile it.
local string = pick(engine.string, [[byte char dump format len sub]])

-- string.format takes texts for %s, where the engine's would call __tostring, which could not be suspended there.

local format, positions_of, sub = engine.string.format, engine.string.gmatch, engine.string.sub
local IS_TEXT = { string = true, number = true }

-- The place in the pattern, and among the arguments, of the first %s whose argument is no text.
local function unfit(pattern, ...)
  local at = 0
  for place, conversion in positions_of(pattern, "()%%[-+ #0-9.]*(.)") do
    if conversion ~= "%" then
      at = at + 1
      if conversion == "s" and (at > select("#", ...) or not IS_TEXT[type((select(at, ...)))]) then
        return place, at
      end
    end
  end
end

local LONG = 65536

local function is_brief(value)
  local kind = type(value)
  return kind == "number" or kind == "string" and #value <= LONG
end

-- With long texts in it, the result is joined from pieces. What is wrong in a piece is found by the engine in the whole.
local function long_format(...)
  local arguments, count, at, from, first, pieces = { ... }, select("#", ...), 1, 1, 2, {}
  local pattern = arguments[1]
  for place, conversion, behind in positions_of(pattern, "()%%[-+ #0-9.]*(.)()") do
    if conversion ~= "%" then
      at = at + 1
      if conversion == "s" and behind - place == 2 and not is_brief(arguments[at]) then
        local fits, piece = pcall(format, sub(pattern, from, place - 1), unpack(arguments, first, at - 1))
        if not fits then
          return format(...)
        end
        pieces[#pieces + 1], pieces[#pieces + 2] = piece, arguments[at]
        from, first = behind, at + 1
      end
    end
  end
  local fits, piece = pcall(format, sub(pattern, from), unpack(arguments, first, count))
  if not fits then
    return format(...)
  end
  pieces[#pieces + 1] = piece
  return concat(pieces)
end

function string.format(...)
  local pattern, a, b, c, d = ...
  local count = select("#", ...)
  if count > 1 and count <= 5 and is_brief(a) and (count < 3 or is_brief(b))
    and (count < 4 or is_brief(c)) and (count < 5 or is_brief(d)) or not IS_TEXT[type(pattern)] then
    return format(...)
  end
  local place, at = unfit(...)
  -- What is wrong before it comes first.
  if place and pcall(format, sub(pattern, 1, place - 1), select(2, ...)) then
    local problem = at < count and "string expected, got " .. type((select(at + 1, ...))) or "no value"
    error("bad argument #" .. at + 1 .. " to 'format' (" .. problem .. ")", 2)
  end
  for at = 2, place and 1 or count do
    local value = select(at, ...)
    if type(value) == "string" and #value > LONG then
      return long_format(...)
    end
  end
  return format(...)
end

local reaches, reaches_known = {}, 0

-- The longest subject on which the pattern is short work, and means to the engine what it means in Lua 5.1.
local function measure(pattern)
  if reaches_known == 500 then
    reaches, reaches_known = {}, 0
  end
  local reach = native.text.reach(pattern)
  reaches[pattern] = reach
  reaches_known = reaches_known + 1
  return reach
end

local function is_short(text, pattern)
  return type(text) == "string" and type(pattern) == "string" and #text <= (reaches[pattern] or measure(pattern))
end

for name in ("find match gmatch"):gmatch("%w+") do
  local short, long = engine.string[name], native.text[name]
  string[name] = function(...)
    local text, pattern = ...
    if is_short(text, pattern) then
      return short(...)
    end
    return long(...)
  end
end
string.gfind = string.gmatch

for name in ("upper lower reverse"):gmatch("%w+") do
  local short, long = engine.string[name], native.text[name]
  string[name] = function(...)
    local text = ...
    if type(text) == "string" and #text > LONG then
      return long(text)
    end
    return short(...)
  end
end

local rep, long_rep = engine.string.rep, native.text.rep

function string.rep(...)
  local text, count = ...
  if type(text) == "string" and type(count) == "number" and #text * count <= LONG then
    return rep(text, count)
  end
  return long_rep(...)
end

-- string.gsub with a function: the loop is in Lua, so that the function can be interrupted and can yield.

local short_gsub, gsub_begin, gsub_step = engine.string.gsub, native.text.gsub_begin, native.text.gsub_step

-- Passes the captures of a match on to the function, and what it makes of them to the next step.
local function replace(state, text, pattern, call, first, ...)
  if first ~= nil then
    return replace(state, text, pattern, call, gsub_step(state, text, pattern, (call(first, ...))))
  end
  local result, count = ...
  if count == nil then
    error(result, 2)
  end
  return result, count
end

-- The same on a text that is so short that what lies between the matches can be joined at once.

local BRIEF, CARET = 256, 94
local byte, find = engine.string.byte, engine.string.find

local soundness, soundness_known = {}, 0

-- Whether a pattern's captures, %b and %f cannot be wrong: where they are, the message names its caller's place.
local function is_sound(pattern)
  local known = soundness[pattern]
  if known == nil then
    if soundness_known == 500 then
      soundness, soundness_known = {}, 0
    end
    local plain = short_gsub(pattern, "%%.", "")
    known = not find(pattern, "%%[%dbf]") and (not find(plain, "[()]")
      or not find(plain, "[[%]]") and #plain < 32 and not find((short_gsub(plain, "%b()", "")), "[()]"))
    soundness[pattern] = known
    soundness_known = soundness_known + 1
  end
  return known
end

local function replaced(call, text, first, last, ...)
  if first == nil then
    return
  elseif select("#", ...) == 0 then
    return first, last, (call(sub(text, first, last)))
  end
  return first, last, (call(...))
end

local function brief_gsub(text, pattern, call)
  local result, count, copied, position = "", 0, 1, 1
  repeat
    local first, last, value = replaced(call, text, find(text, pattern, position))
    if first == nil then
      break
    end
    count = count + 1
    local kind = type(value)
    if kind == "string" or kind == "number" then
      result = result .. sub(text, copied, first - 1) .. value
      copied = last + 1
    elseif value then
      error("invalid replacement value (a " .. kind .. ")", 2)
    end
    -- After an empty match one byte is passed over.
    position = last < first and first + 1 or last + 1
  until position > #text + 1 or byte(pattern) == CARET
  return result .. sub(text, copied), count
end

local function is_text(value)
  local kind = type(value)
  return kind == "string" or kind == "number"
end

function string.gsub(...)
  local text, pattern, replacement, limit = ...
  if type(replacement) == "string" and is_short(text, pattern) and #replacement * #text <= LONG then
    return short_gsub(...)
  end
  local call = replacement
  if type(replacement) == "table" and getmetatable(replacement) ~= nil then
    call = function(key)
      return replacement[key]
    end
  end
  if type(call) ~= "function" or not is_text(text) or not is_text(pattern)
    or limit ~= nil and not tonumber(limit) then
    return gsub(...)
  end
  if limit == nil and is_short(text, pattern) and #text <= BRIEF and is_sound(pattern) then
    return brief_gsub(text, pattern, call)
  end
  local state = gsub_begin(text, pattern, replacement, limit)
  return replace(state, text, pattern, call, gsub_step(state, text, pattern))
end

local table = pick(engine.table, [[foreachi getn]])
table.concat = concat

-- Elements that the engine moves at one go.
local NEAR = 5000
local FURTHEST = 2 ^ 31

function table.insert(...)
  local target = ...
  if target ~= nil and contents[target] then
    local arguments = select("#", ...)
    if arguments == 2 or arguments == 3 then
      error(READ_ONLY, 0)
    end
  end
  local _, position, value = ...
  if type(target) == "table" and type(position) == "number" and select("#", ...) == 3 then
    local length = #target
    if not (position >= 1 and position < FURTHEST and length - position <= NEAR) then
      return native.text.insert(target, position, value, length)
    end
  end
  return insert(...)
end

function table.remove(...)
  local target, position = ...
  if type(target) == "table" and type(position) == "number" then
    local length = #target
    if not (position >= 1 and position < length + 1) then
      return
    elseif length - position > NEAR then
      return native.text.remove(target, position, length)
    end
    return remove(target, floor(position))
  end
  return remove(...)
end

function table.maxn(...)
  local target = ...
  if type(target) ~= "table" then
    return native.require_table(target)
  end
  local largest = 0
  for key in next, target do
    if type(key) == "number" and key > largest then
      largest = key
    end
  end
  return largest
end

function table.setn()
  error("'setn' is obsolete", 2)
end

-- table.sort in Lua, so that a comparator can be interrupted and can yield. The steps are those of Lua 5.1's quicksort,
-- which decide how equal elements end up and what an inconsistent comparator meets.

local function less(a, b)
  local kind, other = type(a), type(b)
  if kind == other and (kind == "number" or kind == "string") then
    return a < b
  end
  if kind == other then
    local ours, theirs = getmetatable(a), getmetatable(b)
    local compare = type(ours) == "table" and rawget(ours, "__lt")
    if compare and type(theirs) == "table" and rawget(theirs, "__lt") == compare then
      return compare(a, b)
    end
    error("attempt to compare two " .. kind .. " values", 0)
  end
  error("attempt to compare " .. kind .. " with " .. other, 0)
end

-- Sorts t[low..high]; false when the order function contradicts itself.
local function quicksort(t, low, high, before)
  while low < high do
    local first, last = t[low], t[high]
    if before(last, first) then
      t[low], t[high] = last, first
    end
    if high - low == 1 then
      break
    end
    local middle = floor((low + high) / 2)
    local pivot, edge = t[middle], t[low]
    if before(pivot, edge) then
      t[middle], t[low] = edge, pivot
    else
      edge = t[high]
      if before(edge, pivot) then
        t[middle], t[high] = edge, pivot
      end
    end
    if high - low == 2 then
      break
    end
    pivot = t[middle]
    t[middle], t[high - 1] = t[high - 1], pivot
    local left, right = low, high - 1
    while true do
      left = left + 1
      local value = t[left]
      while before(value, pivot) do
        if left > high then
          return false
        end
        left = left + 1
        value = t[left]
      end
      right = right - 1
      local other = t[right]
      while before(pivot, other) do
        if right < low then
          return false
        end
        right = right - 1
        other = t[right]
      end
      if right < left then
        break
      end
      t[left], t[right] = other, value
    end
    t[high - 1], t[left] = t[left], t[high - 1]
    local from, to
    if left - low < high - left then
      from, to, low = low, left - 1, left + 1
    else
      from, to, high = left + 1, high, left - 1
    end
    if not quicksort(t, from, to, before) then
      return false
    end
  end
  return true
end

function table.sort(target, before)
  if type(target) ~= "table" then
    return native.require_table(target)
  end
  if before ~= nil and type(before) ~= "function" then
    return native.require_order(target, before)
  end
  if not quicksort(target, 1, #target, before or less) then
    error("invalid order function for sorting", 2)
  end
end

-- Walking tables. LuaJIT's order differs from VM to VM; `mode.ordered` is set for runs that must not depend on it, and
-- then numbers come first, ascending, then strings by their bytes, then false and true, then the rest in no order.

local mode = { ordered = false }
local RANKS = { number = 1, string = 2, boolean = 3 }

local function precedes(a, b)
  local kind, other = type(a), type(b)
  if kind ~= other then
    return (RANKS[kind] or 4) < (RANKS[other] or 4)
  elseif kind == "number" or kind == "string" then
    return a < b
  end
  return kind == "boolean" and not a and b
end

local function walk(real)
  local keys, count = {}, 0
  for key in next, real do
    count = count + 1
    keys[count] = key
  end
  quicksort(keys, 1, count, precedes)
  local position = 0
  return function()
    while true do
      position = position + 1
      local key = keys[position]
      if key == nil then
        return nil
      end
      local value = rawget(real, key)
      if value ~= nil then
        return key, value
      end
    end
  end
end

-- The key after `key` in order: a whole walk for each step, but such runs ask for order and not for speed.
local function follow(real, key)
  local nearest
  for candidate in next, real do
    if (key == nil or precedes(key, candidate)) and (nearest == nil or precedes(candidate, nearest)) then
      nearest = candidate
    end
  end
  if nearest ~= nil then
    return nearest, rawget(real, nearest)
  end
  return nil
end

function globals.next(...)
  local target, key = ...
  local real = target ~= nil and contents[target]
  if mode.ordered and type(target) == "table" and (key == nil or RANKS[type(key)]) then
    return follow(real or target, key)
  elseif real then
    return next(real, key)
  end
  return next(...)
end

function globals.pairs(...)
  local target = ...
  local real = target ~= nil and contents[target]
  if mode.ordered and type(target) == "table" then
    return walk(real or target), target, nil
  elseif real then
    return next, copy(real), nil
  end
  return pairs(...)
end

function table.foreach(...)
  local target, visit = ...
  local real = target ~= nil and contents[target]
  if type(visit) == "function" and (real or mode.ordered and type(target) == "table") then
    for key, value in globals.pairs(target) do
      local result = visit(key, value)
      if result ~= nil then
        return result
      end
    end
    return
  end
  return foreach(...)
end

local function missing(_, name)
  local kind = type(name)
  if kind ~= "string" and kind ~= "number" then
    error("Second argument to luaProtectedTableError must be a string or number", 2)
  end
  error("Script attempted to access nonexistent global variable '" .. name .. "'", 2)
end

-- Coroutines. The end of a slice can meet a script inside a coroutine of its own, which is then suspended without the
-- script's doing. Whoever has resumed it must not see that: `pause` notices it and suspends the resumer in its turn, and
-- so on outwards to the worker. When the script goes on, each resumes what it had resumed.

local coroutine = pick(engine.coroutine, [[create status yield]])
coroutine.running = native.running

local settled

-- What `pause` says: false, the coroutine has stopped by itself; true, it is to go on; otherwise it is to go on with these.
local function continue(thread, ok, ...)
  local first = ...
  if first == false then
    return ok
  elseif first == true then
    return settled(thread, resume(thread))
  end
  return settled(thread, resume(thread, ...))
end

-- Passes on what `resume` answered, once the coroutine has stopped by itself.
function settled(thread, ...)
  if select("#", ...) == 1 then
    return continue(thread, (...), pause())
  end
  return ...
end

function coroutine.resume(...)
  local thread = ...
  if type(thread) ~= "thread" then
    return resume(...)
  end
  return settled(thread, resume(...))
end

local function unwrapped(ok, ...)
  if not ok then
    error((...), 2)
  end
  return ...
end

function coroutine.wrap(...)
  local body = ...
  if type(body) ~= "function" then
    return wrap(...)
  end
  local thread = create(body)
  return function(...)
    return unwrapped(settled(thread, resume(thread, ...)))
  end
end

globals.math = view(math)
globals.string = view(string)
globals.table = view(table)
globals.os = view({ clock = native.clock })
globals.coroutine = view(coroutine)
globals.bit = view(native.bit)
globals.struct = view(native.struct)
globals.cmsgpack = view(native.cmsgpack)
globals.cjson = view(native.cjson)

local strings = getmetatable("")
strings.__index = string
strings.__metatable = view({ __index = globals.string })

local global_view = view(globals, view({ __index = missing }))
globals._G = global_view
setmetatable(globals, { __index = missing })

return globals, global_view, view, mode
