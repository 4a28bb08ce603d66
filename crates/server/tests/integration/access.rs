//! Users in files, and connections that end with their user.

use std::fs;

use crate::server::{Folder, Server, ask, refused, wait_until};

#[test]
fn users_are_loaded_and_saved() {
    let folder = Folder::new();
    let first = "user default on nopass ~* &* +@all\nuser a on >p ~* +@all\n";
    let path = folder.write("users.acl", first);
    let server = Server::start_with(&["--aclfile", &path]);
    let (mut operator, mut client) = (server.client(), server.client());
    ask::<()>(&mut client, "AUTH a p");
    ask::<()>(
        &mut operator,
        "ACL SETUSER b on #PASSWORD (~x +get)".replace("PASSWORD", &"0".repeat(64)).as_str(),
    );
    ask::<()>(&mut operator, "ACL SAVE");
    let saved = fs::read_to_string(&path).unwrap();
    let listed: Vec<String> = ask(&mut operator, "ACL LIST");
    assert_eq!(saved, listed.join("\n") + "\n");
    assert!(
        saved.contains("user b on #0") && saved.contains("-@all (~x resetchannels -@all +get)\n"),
        "{saved}"
    );
    assert_eq!(fs::read_dir(std::path::Path::new(&path).parent().unwrap()).unwrap().count(), 1);
    fs::write(&path, "user c on\n").unwrap();
    ask::<()>(&mut operator, "ACL LOAD");
    wait_until("the end of the connection", || redis::cmd("PING").query::<String>(&mut client).is_err());
    assert_eq!(ask::<Vec<String>>(&mut operator, "ACL USERS"), ["c", "default"]);
    fs::write(&path, "user d on\nuser e sideways\n").unwrap();
    let why = redis::cmd("ACL").arg("LOAD").query::<()>(&mut operator).unwrap_err();
    let told = format!("{path}:2: Syntax error. WARNING: ACL errors detected, no change");
    assert!(why.to_string().contains(&told), "{why}");
    assert_eq!(ask::<Vec<String>>(&mut operator, "ACL USERS"), ["c", "default"]);
}

#[test]
fn users_of_the_configuration() {
    let folder = Folder::new();
    let path = folder
        .write("redis.conf", "user a on >p ~a* (+get\nuser b on nopass +@all ~* &*\nrequirepass secret\n");
    let output = refused(&[&path]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("Unmatched parenthesis"));
    let path = folder.write(
        "redis.conf",
        "user a on >p ~a* (+get ~b)\nuser b on nopass +@all ~* &*\nrequirepass secret\n",
    );
    let server = Server::start_file(&path);
    let mut client = server.client();
    assert!(redis::cmd("PING").query::<String>(&mut client).is_err());
    ask::<()>(&mut client, "AUTH secret");
    assert_eq!(ask::<Vec<String>>(&mut client, "ACL USERS"), ["a", "b", "default"]);
    ask::<()>(&mut client, "AUTH b x");
    assert_eq!(ask::<String>(&mut client, "ACL WHOAMI"), "b");
}

#[test]
fn a_file_and_lines_are_too_much() {
    let folder = Folder::new();
    let users = folder.write("users.acl", "user a on\n");
    let path = folder.write("redis.conf", &format!("user b on\naclfile {users}\n"));
    for (arguments, told) in [
        (vec![path.as_str()], "but not both"),
        (vec!["--aclfile", "/no/such/file"], "Aborting Redis startup because of ACL errors"),
    ] {
        let output = refused(&arguments);
        let all = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(1));
        assert!(all.contains(told), "{all}");
    }
}

#[test]
fn a_deleted_user_is_sent_away() {
    let server = Server::start();
    let (mut operator, mut waiting) = (server.client(), server.client());
    ask::<()>(&mut operator, "ACL SETUSER u on nopass ~* &* +@all");
    ask::<()>(&mut waiting, "AUTH u x");
    let waits =
        std::thread::spawn(move || redis::cmd("BLPOP").arg("list").arg(0).query::<Vec<String>>(&mut waiting));
    wait_until("a blocked client", || {
        ask::<String>(&mut operator, "INFO clients").contains("blocked_clients:1")
    });
    assert!(ask::<String>(&mut operator, "CLIENT LIST").contains("user=u "));
    assert_eq!(ask::<u32>(&mut operator, "ACL DELUSER u nobody"), 1);
    assert!(waits.join().unwrap().is_err());
    assert_eq!(ask::<u32>(&mut operator, "RPUSH list a"), 1);
}
