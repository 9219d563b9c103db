//! The queue's Lua scripts: every step that must not be seen half done.

use std::sync::LazyLock;

use redis::Script;

macro_rules! script {
    ($name:ident, $($file:literal),+) => {
        pub(super) static $name: LazyLock<Script> = LazyLock::new(|| Script::new(concat!($(include_str!($file)),+)));
    };
}

script!(ENQUEUE, "lua/enqueue.lua");
script!(TAKE, "lua/clock.lua", "lua/take.lua");
script!(COPY, "lua/clock.lua", "lua/copy.lua");
script!(RENEW, "lua/clock.lua", "lua/owned.lua", "lua/renew.lua");
script!(PENDING, "lua/clock.lua", "lua/pending.lua");
script!(MAKING, "lua/owned.lua", "lua/making.lua");
script!(RELEASE, "lua/owned.lua", "lua/release.lua");
script!(DECLINE, "lua/clock.lua", "lua/owned.lua", "lua/decline.lua");
script!(BURY, "lua/owned.lua", "lua/bury.lua");
script!(COMPLETE, "lua/clock.lua", "lua/complete.lua");
script!(CANCEL, "lua/cancel.lua");
script!(SETTLE, "lua/settle.lua");
script!(PROGRESS, "lua/progress.lua");
script!(PRUNE, "lua/prune.lua");
