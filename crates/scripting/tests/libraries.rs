//! Calls of the libraries, and what redis-server 7.0.15 answered to each.

mod common;

use common::Vm;

/// A call, and its results or error as `show.lua` shows them.
const CASES: &[(&str, &str)] = &[
    (r#"cjson.encode({})"#, r#"true ; {1="{}"}"#),
    (r#"cjson.encode({1, 2, {a = cjson.null}})"#, r#"true ; {1="[1,2,{"a":null}]"}"#),
    (r#"cjson.encode({[1] = 1, [3] = 2})"#, r#"true ; {1="[1,null,2]"}"#),
    (
        r#"cjson.encode({[10000] = 1})"#,
        r#"false ; "user_script:N: Cannot serialise table: excessively sparse array""#,
    ),
    (r#"cjson.encode({[1e10] = 1})"#, r#"true ; {1="{"10000000000":1}"}"#),
    (r#"cjson.encode({[3e9] = 1, [1] = 2})"#, r#"true ; {1="[2]"}"#),
    (
        r#"cjson.encode({[true] = 1})"#,
        r#"false ; "user_script:N: Cannot serialise boolean: table key must be a number or string""#,
    ),
    (
        r#"cjson.encode(tostring)"#,
        r#"false ; "user_script:N: Cannot serialise function: type not supported""#,
    ),
    (
        r#"cjson.encode({tostring})"#,
        r#"false ; "user_script:N: Cannot serialise function: type not supported""#,
    ),
    (r#"cjson.encode()"#, r#"false ; "user_script:N: bad argument #1 to 'encode' (expected 1 argument)""#),
    (
        r#"cjson.encode(1, 2)"#,
        r#"false ; "user_script:N: bad argument #1 to 'encode' (expected 1 argument)""#,
    ),
    (r#"cjson.encode(nil)"#, r#"true ; {1="null"}"#),
    (r#"cjson.encode(1/0)"#, r#"false ; "user_script:N: Cannot serialise number: must not be NaN or Inf""#),
    (r#"cjson.encode(2^53)"#, r#"true ; {1="9.007199254741e+15"}"#),
    (r#"cjson.encode(1e14)"#, r#"true ; {1="1e+14"}"#),
    (r#"cjson.encode(0.1)"#, r#"true ; {1="0.1"}"#),
    (r#"cjson.encode(-1.5e-7)"#, r#"true ; {1="-1.5e-07"}"#),
    (r#"cjson.encode(123456789.123456789)"#, r#"true ; {1="123456789.12346"}"#),
    (
        r#"cjson.encode('a/b"\\\8\12\n\r\t\1\127\0é')"#,
        r#"true ; {1=""a\/b\"\\\b\f\n\r\t\u0001\u007f\u0000<195><169>""}"#,
    ),
    (
        r#"cjson.decode('[1')"#,
        r#"false ; "user_script:N: Expected comma or array end but found T_END at character 3""#,
    ),
    (r#"cjson.decode('')"#, r#"false ; "user_script:N: Expected value but found T_END at character 1""#),
    (
        r#"cjson.decode('{"a":1,}')"#,
        r#"false ; "user_script:N: Expected object key string but found T_OBJ_END at character 8""#,
    ),
    (
        r#"cjson.decode('{a:1}')"#,
        r#"false ; "user_script:N: Expected object key string but found invalid token at character 2""#,
    ),
    (
        r#"cjson.decode('{"a" 1}')"#,
        r#"false ; "user_script:N: Expected colon but found T_NUMBER at character 6""#,
    ),
    (
        r#"cjson.decode('[1,2] x')"#,
        r#"false ; "user_script:N: Expected the end but found invalid token at character 7""#,
    ),
    (
        r#"cjson.decode('["\\ud834\\udd1e\\u00e9\\u0000"]')"#,
        r#"true ; {1={1="<240><157><132><158><195><169><0>"}}"#,
    ),
    (
        r#"cjson.decode('["\\ud834"]')"#,
        r#"false ; "user_script:N: Expected value but found invalid unicode escape code at character 3""#,
    ),
    (
        r#"cjson.decode('["\\x"]')"#,
        r#"false ; "user_script:N: Expected value but found invalid escape code at character 3""#,
    ),
    (
        r#"cjson.decode('["abc')"#,
        r#"false ; "user_script:N: Expected value but found unexpected end of string at character 6""#,
    ),
    (r#"cjson.decode('[nan, -inf, 0x1F, 01, +1]')"#, r#"true ; {1={1=nan,2=-inf,3=31,4=1,5=1}}"#),
    (
        r#"cjson.decode('[-]')"#,
        r#"false ; "user_script:N: Expected value but found invalid number at character 2""#,
    ),
    (
        r#"cjson.decode('tru')"#,
        r#"false ; "user_script:N: Expected value but found invalid token at character 1""#,
    ),
    (
        r#"cjson.decode('{"a":{"b":[null,true,false,1e3]}}')"#,
        r#"true ; {1={"a"={"b"={1=null,2=true,3=false,4=1000}}}}"#,
    ),
    (
        r#"cjson.decode(string.rep('[', 1001))"#,
        r#"false ; "user_script:N: Found too many nested data structures (1001) at character 1001""#,
    ),
    (r#"cjson.decode('\0a')"#, r#"false ; "user_script:N: JSON parser does not support UTF-16 or UTF-32""#),
    (r#"cjson.decode('a\0')"#, r#"false ; "user_script:N: JSON parser does not support UTF-16 or UTF-32""#),
    (r#"cjson.decode(12)"#, r#"true ; {1=12}"#),
    (
        r#"cjson.decode({})"#,
        r#"false ; "user_script:N: bad argument #1 to 'decode' (string expected, got table)""#,
    ),
    (
        r#"cjson.encode_max_depth(0)"#,
        r#"false ; "user_script:N: bad argument #1 to 'encode_max_depth' (expected integer between 1 and 2147483647)""#,
    ),
    (
        r#"cjson.encode_max_depth(1, 2)"#,
        r#"false ; "user_script:N: bad argument #2 to 'encode_max_depth' (found too many arguments)""#,
    ),
    (
        r#"cjson.encode_number_precision(15)"#,
        r#"false ; "user_script:N: bad argument #1 to 'encode_number_precision' (expected integer between 1 and 14)""#,
    ),
    (
        r#"cjson.decode_invalid_numbers('x')"#,
        r#"false ; "user_script:N: bad argument #1 to 'decode_invalid_numbers' (invalid option 'x')""#,
    ),
    (r#"cjson.encode_sparse_array()"#, r#"true ; {1=false,2=2,3=10}"#),
    (r#"cjson.new().encode_invalid_numbers('null')"#, r#"true ; {1="null"}"#),
    (r#"cjson.new().encode_max_depth(3)"#, r#"true ; {1=3}"#),
    (
        r#"cmsgpack.pack()"#,
        r#"false ; "user_script:N: bad argument #0 to 'pack' (MessagePack pack needs input.)""#,
    ),
    (
        r#"cmsgpack.pack(1, -1, 127, 128, -32, -33, 65536, 2^32, -2^40, 2^63, 1.5, 0.1, true, nil)"#,
        r#"true ; {1="<1><255><127><204><128><224><208><223><206><0><1><0><0><207><0><0><0><1><0><0><0><0><211><255><255><255><0><0><0><0><0><202>_<0><0><0><202>?<192><0><0><203>?<185><153><153><153><153><153><154><195><192>"}"#,
    ),
    (
        r#"cmsgpack.pack({1, 2, 3}, {}, {a = 1}, {[2] = 1})"#,
        r#"true ; {1="<147><1><2><3><144><129><161>a<1><129><2><1>"}"#,
    ),
    (
        r#"cmsgpack.pack(string.rep('x', 40), cjson.null, tostring)"#,
        r#"true ; {1="<217>(xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx<192><192>"}"#,
    ),
    (r#"#cmsgpack.pack(string.rep('x', 70000))"#, r#"true ; {1=70005}"#),
    (r#"cmsgpack.unpack(cmsgpack.pack(1, 'a', {b = {1, 2}}))"#, r#"true ; {1=1,2="a",3={"b"={1=1,2=2}}}"#),
    (r#"cmsgpack.unpack('\207\255\255\255\255\255\255\255\255')"#, r#"true ; {1=-1}"#),
    (r#"cmsgpack.unpack('\196\1a')"#, r#"false ; "user_script:N: Bad data format in input.""#),
    (r#"cmsgpack.unpack('\129\192\1')"#, r#"false ; "table index is nil""#),
    (r#"cmsgpack.unpack('\147\1')"#, r#"false ; "user_script:N: Missing bytes in input.""#),
    (r#"cmsgpack.unpack('\193')"#, r#"false ; "user_script:N: Bad data format in input.""#),
    (r#"cmsgpack.unpack('')"#, r#"true ; {}"#),
    (r#"cmsgpack.unpack_one('\1\2\3', 1)"#, r#"true ; {1=2,2=2}"#),
    (
        r#"cmsgpack.unpack_one('\1', 5)"#,
        r#"false ; "user_script:N: Start offset 5 greater than input length 1.""#,
    ),
    (
        r#"cmsgpack.unpack_one('\1', -1)"#,
        r#"false ; "user_script:N: Invalid request to unpack with offset of -1 and limit of 1.""#,
    ),
    (r#"cmsgpack.unpack_limit('\1\2\3', 2)"#, r#"true ; {1=2,2=1,3=2}"#),
    (r#"cmsgpack.unpack_limit('\1\2\3', 0, 0)"#, r#"true ; {1=1,2=2,3=3}"#),
    (
        r#"cmsgpack.unpack(string.rep('\145', 9000))"#,
        r#"false ; "user_script:N: stack overflow (in function mp_decode_to_lua_array)""#,
    ),
    (
        r#"cmsgpack.unpack(string.rep('\1', 9000))"#,
        r#"false ; "user_script:N: stack overflow (too many return values at once; use unpack_one or unpack_limit instead.)""#,
    ),
    (
        r#"struct.pack('>I2<i3bHl', 258, -2, -1, 65535, 2^40)"#,
        r#"true ; {1="<1><2><254><255><255><255><255><255><0><0><0><0><0><1><0><0>"}"#,
    ),
    (r#"struct.pack('!8 b d', 1, 0.5)"#, r#"true ; {1="<1><0><0><0><0><0><0><0><0><0><0><0><0><0><224>?"}"#),
    (r#"struct.pack('fx s c3', 1.5, 'ab', 'cdef')"#, r#"true ; {1="<0><0><192>?<0>ab<0>cde"}"#),
    (r#"struct.pack('c0', 'abc')"#, r#"true ; {1="abc"}"#),
    (
        r#"struct.pack('c5', 'abc')"#,
        r#"false ; "user_script:N: bad argument #3 to 'pack' (string too short)""#,
    ),
    (
        r#"struct.pack('i')"#,
        r#"false ; "user_script:N: bad argument #2 to 'pack' (number expected, got nil)""#,
    ),
    (r#"struct.pack('!3', 1)"#, r#"false ; "user_script:N: alignment 3 is not a power of 2""#),
    (r#"struct.pack('i33', 1)"#, r#"false ; "user_script:N: integral size 33 is larger than limit of 32""#),
    (r#"struct.pack('i99999999999', 1)"#, r#"false ; "user_script:N: integral size overflow""#),
    (
        r#"struct.pack('z', 1)"#,
        r#"false ; "user_script:N: bad argument #1 to 'pack' (invalid format option 'z')""#,
    ),
    (
        r#"struct.pack('I8i8', 2^64, -1e30)"#,
        r#"true ; {1="<0><0><0><0><0><0><0><0><0><0><0><0><0><0><0><128>"}"#,
    ),
    (r#"struct.unpack('>I2<i3bH', '\1\2\254\255\255\255\3\4')"#, r#"true ; {1=258,2=-2,3=-1,4=1027,5=9}"#),
    (r#"struct.unpack('bc0', '\3abcd')"#, r#"true ; {1="abc",2=5}"#),
    (r#"struct.unpack('c0', 'a')"#, r#"false ; "user_script:N: format 'c0' needs a previous size""#),
    (r#"struct.unpack('s', 'abc')"#, r#"false ; "user_script:N: unfinished string in data""#),
    (
        r#"struct.unpack('i', 'ab')"#,
        r#"false ; "user_script:N: bad argument #2 to 'unpack' (data string too short)""#,
    ),
    (r#"struct.unpack('b', 'abc', 3)"#, r#"true ; {1=99,2=4}"#),
    (
        r#"struct.unpack('b', 'abc', 0)"#,
        r#"false ; "user_script:N: bad argument #3 to 'unpack' (offset must be 1 or greater)""#,
    ),
    (
        r#"struct.unpack('b', 'abc', -1)"#,
        r#"false ; "user_script:N: bad argument #2 to 'unpack' (data string too short)""#,
    ),
    (r#"struct.unpack('i16', string.rep('\255', 16))"#, r#"true ; {1=-1,2=17}"#),
    (r#"struct.size('!8b i16 d')"#, r#"true ; {1=32}"#),
    (r#"struct.size('c2147483647c2147483647')"#, r#"true ; {1=4294967294}"#),
    (
        r#"struct.size('s')"#,
        r#"false ; "user_script:N: bad argument #1 to 'size' (option 's' has no fixed size)""#,
    ),
    (
        r#"struct.size('c0')"#,
        r#"false ; "user_script:N: bad argument #1 to 'size' (option 'c0' has no fixed size)""#,
    ),
    (r#"bit.tobit(2^32 + 5)"#, r#"true ; {1=5}"#),
    (r#"bit.tobit(2^60)"#, r#"true ; {1=0}"#),
    (r#"bit.tobit('0x10')"#, r#"true ; {1=16}"#),
    (
        r#"bit.band()"#,
        r#"false ; "user_script:N: bad argument #1 to 'band' (number expected, got no value)""#,
    ),
    (
        r#"bit.band(7, 'x')"#,
        r#"false ; "user_script:N: bad argument #2 to 'band' (number expected, got string)""#,
    ),
    (
        r#"bit.band(7, {}, tostring)"#,
        r#"false ; "user_script:N: bad argument #3 to 'band' (number expected, got function)""#,
    ),
    (r#"bit.bor(1, 2, 4)"#, r#"true ; {1=7}"#),
    (r#"bit.bxor(0xff, 0x0f)"#, r#"true ; {1=240}"#),
    (r#"bit.lshift(1, 33)"#, r#"true ; {1=2}"#),
    (r#"bit.arshift(-256, 4)"#, r#"true ; {1=-16}"#),
    (r#"bit.rol(0x12345678, 12)"#, r#"true ; {1=1164411171}"#),
    (r#"bit.ror(0x12345678, 12)"#, r#"true ; {1=1736516421}"#),
    (r#"bit.bswap(0x12345678)"#, r#"true ; {1=2018915346}"#),
    (r#"bit.tohex(-1)"#, r#"true ; {1="ffffffff"}"#),
    (r#"bit.tohex(0xdeadbeef, -4)"#, r#"true ; {1="BEEF"}"#),
    (r#"bit.tohex(1, 0)"#, r#"true ; {1=""}"#),
    (r#"string.match('11bb', '[^%g-%p?[%a-z]')"#, r#"true ; {1="1"}"#),
    (r#"string.match('a%g', '[%g]+$')"#, r#"true ; {1="g"}"#),
    (r#"string.find('cgd', '%f[%G]')"#, r#"true ; {1="NIL"}"#),
    (r#"string.find('ab%\0001', '[ab][^]a]+[*%g%f[^%w]', 0)"#, r#"true ; {1=1,2=5}"#),
    (r#"string.find('', '\0(', 1)"#, r#"true ; {1="NIL"}"#),
    (r#"string.gsub('', '\0', function() return 'x' end)"#, r#"true ; {1="x",2=1}"#),
    (
        r#"string.gsub('', '[]', function() end)"#,
        r#"false ; "user_script:N: malformed pattern (missing ']')""#,
    ),
    (
        r#"string.gsub('', 'a?%', function() end)"#,
        r#"false ; "user_script:N: malformed pattern (ends with '%')""#,
    ),
    (r#"string.gsub('ab', '()(', 'x')"#, r#"true ; {1="xaxbx",2=3}"#),
    (
        r#"string.gsub('ab', '()(', setmetatable({}, {__index = function(_, at) return '<' .. at .. '>' end}))"#,
        r#"true ; {1="<1>a<2>b<3>",2=3}"#,
    ),
    (r#"string.gsub('ab', '()(', function() end)"#, r#"false ; "user_script:N: unfinished capture""#),
];

#[test]
fn libraries_answer_what_redis_answered() {
    let different: Vec<String> = CASES
        .iter()
        .map(|(call, wanted)| (call, wanted, answer(call)))
        .filter(|(_, wanted, answer)| answer != *wanted)
        .map(|(call, wanted, answer)| format!("{call}\n  wanted {wanted}\n  answer {answer}"))
        .collect();
    assert!(different.is_empty(), "{}", different.join("\n"));
}

/// What the call answers, without the line it stands on.
fn answer(call: &str) -> String {
    let show = include_str!("common/show.lua");
    let answer = Vm::new()
        .text(&format!("{show}\ncase(function() local r = list({call}) return r end)\nreturn out[1]"));
    match answer.split_once("user_script:") {
        Some((before, after)) => {
            format!("{before}user_script:N{}", after.trim_start_matches(|c: char| c.is_ascii_digit()))
        }
        None => answer,
    }
}

/// `cjson.exact_integers`, which Redis has not.
#[test]
fn whole_numbers_come_back_as_they_were_where_that_is_asked_for() {
    let vm = Vm::new();
    let again = |json: &str| {
        vm.text(&format!("cjson.exact_integers(true) return cjson.encode(cjson.decode('{json}'))"))
    };
    for json in [
        "9007199254740991",
        "9007199254740992",
        "9007199254740993",
        "-9007199254740993",
        "9223372036854775807",
        "-9223372036854775808",
        "123456789012345678901234567890",
        "1234567890123456",
        "0",
        "-0",
        "1.5",
        "[9223372036854775807,{\"id\":-9223372036854775808}]",
    ] {
        assert_eq!(again(json), json);
    }
    // Not whole numbers as they are written.
    assert_eq!(again("1.5e300"), "1.5e+300");
    assert_eq!(again("12345678901234567.5"), "12345678901234568");
    assert_eq!(
        vm.text("cjson.exact_integers(true) return cjson.decode('[9223372036854775807]')[1].big_number"),
        "9223372036854775807"
    );
    assert_eq!(
        vm.text("cjson.exact_integers(true) return cjson.encode({2^53, 1e15, -2^62})"),
        "[9007199254740992,1000000000000000,-4611686018427387904]"
    );
    for table in [
        "{big_number = ''}",
        "{big_number = '1x'}",
        "{big_number = '01'}",
        "{big_number = 1}",
        "{big_number = '1.5'}",
    ] {
        let on = vm.text(&format!("cjson.exact_integers(true) return cjson.encode({table})"));
        assert!(on.starts_with("{\"big_number\":"), "{table}: {on}");
    }
}

#[test]
fn whole_numbers_are_as_redis_has_them_by_default() {
    let vm = Vm::new();
    let script = "local own = cjson.new() own.exact_integers('on')
        return cjson.encode({2^53, {big_number = '1'}}) .. own.encode({2^53, {big_number = '1'}})";
    assert_eq!(vm.text(script), "[9.007199254741e+15,{\"big_number\":\"1\"}][9007199254740992,1]");
}
