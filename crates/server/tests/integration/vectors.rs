//! Vector sets over a socket.

use crate::server::{Server, ask, eval, words};

/// More than one slice looks at, in a debug build.
const ELEMENTS: u32 = 5_000;

/// A client's search goes on in another slice, a script's does not.
#[test]
fn a_search_in_slices_finds_what_one_at_once_finds() {
    let server = Server::start();
    let mut client = server.client();
    let mut pipe = redis::pipe();
    for number in 0..ELEMENTS {
        let angle = f64::from(number) / f64::from(ELEMENTS);
        let attributes = format!("{{\"number\":{number}}}");
        pipe.cmd("VADD").arg("set").arg("VALUES").arg(2).arg(angle.cos()).arg(angle.sin()).arg(number);
        pipe.arg("NOQUANT").arg("EF").arg(1).arg("SETATTR").arg(attributes).arg("M").arg(4).ignore();
    }
    pipe.exec(&mut client).unwrap();
    for options in ["TRUTH FILTER .number%2==1", "FILTER .number>4990 FILTER-EF 1000000 EF 5000"] {
        let line = format!("VSIM set ELE 7 WITHSCORES COUNT 5000 {options}");
        let alone: Vec<String> = ask(&mut client, &line);
        assert!(alone.len() >= 10, "{alone:?}");
        let arguments: Vec<_> = line.split(' ').skip(2).collect();
        let script = "return redis.call('VSIM', KEYS[1], unpack(ARGV))";
        let inside: Vec<String> = eval(script, &["set"], &arguments).query(&mut client).unwrap();
        assert_eq!(alone, inside, "{options}");
        let multi = redis::pipe().atomic().add_command(words(&line)).cmd("EXISTS").arg("set").to_owned();
        let (queued, there): (Vec<String>, i64) = multi.query(&mut client).unwrap();
        assert_eq!((queued, there), (alone, 1), "{options}");
    }
}
