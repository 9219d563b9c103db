//! The queue's Lua scripts: every step that must not be seen half done.

use std::sync::LazyLock;

use redis::Script;

macro_rules! script {
    ($name:ident, $($file:literal),+) => {
        pub(super) static $name: LazyLock<Script> = LazyLock::new(|| Script::new(concat!($(include_str!($file)),+)));
    };
}

script!(ENQUEUE, "lua/enqueue.lua");
script!(TAKE, "lua/take.lua");
script!(RENEW, "lua/owned.lua", "lua/renew.lua");
script!(RELEASE, "lua/owned.lua", "lua/release.lua");
script!(BURY, "lua/owned.lua", "lua/bury.lua");
script!(COMPLETE, "lua/complete.lua");
script!(PROGRESS, "lua/progress.lua");
script!(PRUNE, "lua/prune.lua");
