//! Every file in `tests/transcripts`, through its faces.

use std::path::Path;

use perigee_scripting::LuaHost;

macro_rules! transcripts {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                perigee_testkit::check(&folder().join(concat!(stringify!($name), ".txt")), LuaHost::boxed);
            }
        )*

        #[test]
        fn no_transcript_is_forgotten() {
            let known = [$(concat!(stringify!($name), ".txt")),*];
            for entry in std::fs::read_dir(folder()).unwrap() {
                let name = entry.unwrap().file_name();
                assert!(known.iter().any(|known| *known == name), "{name:?} is not run");
            }
        }
    };
}

transcripts! { acl_databases blocking clients compare dump expiry geo hash_fields hashes import_mode info lists pubsub scripting sets shutdown streams strings tracking transactions vectors zsets }

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/transcripts"))
}
