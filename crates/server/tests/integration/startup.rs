//! How the process starts, what it says, how it ends.

use std::process::Command;

use crate::server::{Folder, Server, ask, eval, refusal, refused, wait_until, words};

#[test]
fn it_says_what_tools_wait_for() {
    let server = Server::start();
    let log = server.log();
    for line in [&format!("PID: {}", server.pid()), "Server initialized", "Ready to accept connections"] {
        assert!(log.contains(line), "{line:?} is missing:\n{log}");
    }
    assert!(log.contains(&format!("port={}", server.port)), "{log}");
}

#[test]
fn signals_end_it_gracefully() {
    for signal in ["TERM", "INT"] {
        let server = Server::start();
        let mut client = server.client();
        ask::<()>(&mut client, "SET key value");
        let log = server.folder.path("log");
        assert!(
            Command::new("kill").args(["-s", signal, &server.pid().to_string()]).status().unwrap().success()
        );
        wait_until("it says so", || std::fs::read_to_string(&log).unwrap().contains("bye bye"));
        assert!(server.log().contains(&format!("Received SIG{signal}")));
        assert_eq!(server.exit_code(), Some(0));
    }
}

#[test]
fn a_signal_ends_it_also_while_a_script_runs() {
    let server = Server::start();
    let mut client = server.client();
    let running = std::thread::spawn(move || {
        eval("while true do end", &["key"], &[]).query::<()>(&mut client).is_err()
    });
    let mut other = server.client();
    wait_until("the script runs", || ask::<String>(&mut other, "CLIENT LIST").contains("cmd=eval"));
    assert!(Command::new("kill").arg(server.pid().to_string()).status().unwrap().success());
    assert_eq!(server.exit_code(), Some(0));
    assert!(running.join().unwrap());
}

#[test]
fn what_config_rewrite_has_written_is_read_again() {
    let folder = Folder::new();
    let text = format!("# Ours\ntimeout 9\nport 1\ndir {}\nmaxmemory 1\n", folder.0.display());
    let path = folder.write("redis.conf", &text);
    let server = Server::start_file(&path);
    let mut client = server.client();
    redis::cmd("CONFIG")
        .arg(&["SET", "maxclients", "77", "timeout", "8", "maxmemory", "2097152"])
        .exec(&mut client)
        .unwrap();
    redis::cmd("ACL")
        .arg(&["SETUSER", "bob", "on", ">it's \"he\"", "~k*", "+get"])
        .exec(&mut client)
        .unwrap();
    let answer: String = ask(&mut client, "CONFIG REWRITE");
    assert_eq!(answer, "OK");
    let text = std::fs::read_to_string(&path).unwrap();
    let folder = std::fs::canonicalize(&folder.0).unwrap();
    let own = format!("port {}\ndir \"{}\"\nmaxmemory 2mb\n", server.port, folder.display());
    assert!(text.starts_with("# Ours\ntimeout 8\n") && text.contains(&own), "{text}");
    drop((client, server));

    let server = Server::start_file(&path);
    let mut client = server.client();
    let pair: Vec<String> = ask(&mut client, "CONFIG GET maxclients");
    assert_eq!(pair, ["maxclients", "77"]);
    redis::cmd("AUTH").arg(&["bob", "it's \"he\""]).exec(&mut client).unwrap();
}

#[test]
fn config_rewrite_without_a_file_is_refused() {
    let server = Server::start();
    let text = refusal(&mut server.client(), &words("CONFIG REWRITE"));
    assert_eq!(text, "ERR The server is running without a config file");
}

#[test]
fn a_configuration_file_with_all_its_syntax() {
    let folder = Folder::new();
    folder.write("more.conf", "maxclients 77\nhash-max-listpack-entries 5\n");
    let text = format!(
        "# A comment.\n\n  include {}\nport 1\nrequirepass \"with \\x41 blank\"\nclient-query-buffer-limit 2mb\n\
         rename-command BGSAVE \"\"\nlua-replicate-commands yes\nlist-max-ziplist-entries 512\nsave \"\"\nsave 900 1\nsave 300 10\nHZ 20\n",
        folder.path("more.conf").display()
    );
    let path = folder.write("redis.conf", &text);
    let server = Server::start_file(&path);
    let mut client = server.client();
    redis::cmd("AUTH").arg("with A blank").exec(&mut client).unwrap();
    for (name, value) in [
        ("maxclients", "77"),
        ("hash-max-listpack-entries", "5"),
        ("client-query-buffer-limit", "2097152"),
        ("hz", "20"),
    ] {
        let pair: Vec<String> = ask(&mut client, &format!("CONFIG GET {name}"));
        assert_eq!(pair, [name, value]);
    }
}

#[test]
fn the_directory_is_shown_by_its_own_path() {
    let server = Server::start_with(&["--dir", ".", "--enable-protected-configs", "yes"]);
    let mut client = server.client();
    let own = std::fs::canonicalize(&server.folder.0).unwrap().display().to_string();
    let shown = |client: &mut _| ask::<Vec<String>>(client, "CONFIG GET dir")[1].clone();
    assert_eq!(shown(&mut client), own);
    let text = refusal(&mut client, &words("CONFIG SET timeout 9 dir none"));
    let why = "ERR CONFIG SET failed (possibly related to argument 'dir') - No such file or directory";
    assert_eq!(text, why);
    assert_eq!(ask::<Vec<String>>(&mut client, "CONFIG GET timeout")[1], "0");
    assert_eq!(shown(&mut client), own);
    let _ok: String = ask(&mut client, "CONFIG SET dir /usr/../tmp/.");
    assert_eq!(shown(&mut client), "/tmp");
}

#[test]
fn errors_in_the_configuration_name_file_line_and_cause() {
    let folder = Folder::new();
    for (text, line, cause) in [
        ("port 1\n\nno-such-option 1\n", 3, "Bad directive or wrong number of arguments"),
        ("maxclients none\n", 1, "argument couldn't be parsed into an integer"),
        ("appendfsync sometimes\n", 1, "argument(s) must be one of the following: everysec, always, no"),
        ("requirepass \"open\n", 1, "Unbalanced quotes in configuration line"),
        ("port\n", 1, "wrong number of arguments"),
        ("protected-mode maybe\n", 1, "argument must be 'yes' or 'no'"),
        ("port 99999\n", 1, "argument must be between 0 and 65535 inclusive"),
        ("slaveof\n", 1, "wrong number of arguments"),
        ("rename-command get\n", 1, "Bad directive or wrong number of arguments"),
        ("rename-command no-such-command x\n", 1, "No such command in rename-command"),
        ("rename-command get a\nrename-command set A\n", 2, "Target command name already exists"),
        ("lua-replicate-commands\n", 1, "Bad directive or wrong number of arguments"),
        ("user a b\nuser a\n", 1, "Error in user declaration 'b': Syntax error"),
        ("user\n", 1, "Bad directive or wrong number of arguments"),
        (
            "user \"a b\" on\n",
            1,
            "Error in user declaration 'a b': Usernames can't contain spaces or null characters",
        ),
        (
            "user a on\nuser a off\n",
            2,
            "Error in user declaration 'a': Duplicate user found. A user can only be defined once in config files",
        ),
    ] {
        let path = folder.write("redis.conf", text);
        let output = refused(&[&path]);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{text}");
        let wanted = format!(
            "Reading the configuration file, at line {line}\n>>> '{}'\n{cause}",
            text.lines().nth(line - 1).unwrap()
        );
        assert!(told.contains("*** FATAL CONFIG FILE ERROR") && told.contains(&wanted), "{text}: {told}");
    }
}

#[test]
fn a_missing_file_a_bad_option_and_nowhere_to_listen() {
    for (arguments, told) in [
        (&["/no/such/redis.conf"][..], "/no/such/redis.conf"),
        (&["--no-such-option", "1"], "no-such-option"),
        (&["--port", "0"], "Configured to not listen anywhere"),
        (&["--dir", "/no/such/folder"], "Can't chdir to '/no/such/folder'"),
    ] {
        let output = refused(arguments);
        let all =
            String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(all.contains(told), "{arguments:?}: {all}");
    }
}

#[test]
fn the_limit_of_open_files_is_raised_or_maxclients_lowered() {
    for (limits, told, max_clients) in [
        (
            "ulimit -Sn 256",
            "Increased maximum number of open files to 1040 (it was originally set to 256)",
            "1000",
        ),
        ("ulimit -n 256", "maxclients has been reduced to 216", "216"),
    ] {
        let server = Server::start_limited(limits, &["--maxclients", "1000"]);
        // Who may raise the hard limit does.
        let raised = server.log().contains("Increased maximum number of open files");
        assert!(raised || server.log().contains(told), "{}", server.log());
        let shown: Vec<String> = ask(&mut server.client(), "CONFIG GET maxclients");
        assert_eq!(shown[1], if raised { "1000" } else { max_clients });
        if !raised {
            let text = refusal(&mut server.client(), &words("CONFIG SET timeout 1 maxclients 1000"));
            assert!(text.ends_with("the specified number of clients, try with 216"), "{text}");
            let shown: Vec<String> = ask(&mut server.client(), "CONFIG GET maxclients");
            assert_eq!(shown[1], max_clients);
        }
    }
}

#[test]
fn version_and_help() {
    let version = refused(&["--version"]);
    assert_eq!(version.status.code(), Some(0));
    let version = String::from_utf8_lossy(&version.stdout);
    assert!(version.starts_with("Redis server v=7.2.4 sha="), "{version}");
    assert!(version.ends_with(concat!(" perigee=", env!("CARGO_PKG_VERSION"), "\n")), "{version}");
    assert!(String::from_utf8_lossy(&refused(&["--help"]).stderr).contains("Usage: perigee"));
}
