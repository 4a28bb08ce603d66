-- Shows results of calls as text that depends on the values alone.
local function show(value, depth)
  local kind = type(value)
  if kind == 'number' then
    if value ~= value then return 'nan' end
    return string.format('%.17g', value)
  elseif kind == 'string' then
    local shown = string.gsub(value, '[^%w%p ]', function(c) return '<' .. string.byte(c) .. '>' end)
    return '"' .. shown .. '"'
  elseif kind == 'table' then
    if depth > 40 then return '...' end
    local parts = {}
    for k, v in pairs(value) do parts[#parts + 1] = show(k, depth + 1) .. '=' .. show(v, depth + 1) end
    table.sort(parts)
    return '{' .. table.concat(parts, ',') .. '}'
  elseif kind == 'userdata' then
    return value == cjson.null and 'null' or 'userdata'
  end
  return kind == 'boolean' and tostring(value) or kind
end
local out = {}
local function case(f)
  local results = {pcall(f)}
  local count = 0
  for k in pairs(results) do if k > count then count = k end end
  local parts = {}
  for i = 1, count do parts[i] = show(results[i], 0) end
  out[#out + 1] = table.concat(parts, ' ; ')
end
local function list(...)
  local results, count = {...}, select('#', ...)
  for i = 1, count do if results[i] == nil then results[i] = 'NIL' end end
  return results
end
