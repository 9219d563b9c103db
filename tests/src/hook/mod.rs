//! What happens when a named moment comes, in the programs under test. `FIDELIS_FAILPOINTS` says it, as rules between
//! semicolons:
//!
//! - `worker:before_put = kill if chunk 3, nth 2, token /path`: an action at a moment, under conditions;
//! - `plant ack_before_put`: one of [`Bug`]'s mistakes.
//!
//! Actions: `kill` and `stop` send ourselves that signal, `doze MS` (stopped, and woken after that), `abort`, `panic` or
//! `panic TEXT`, `exit N`, `hang` for ever, `sleep MS`, `fail` (where a moment can), `await /path` until that file is
//! there. Conditions: `chunk N`; `nth N`, the Nth time that the other conditions hold; `token /path`, for the one process
//! that makes the file.
//!
//! `FIDELIS_MOMENTS` names a file to which every moment is written as it comes, a line each: `moment chunk pid`.

mod action;
mod rule;

use std::{env, fs::File, io::Write};

use fidelis_contract::ids::ChunkIndex;
use fidelis_fleet::failpoint::{self, Bug, Hook, Point};

use rule::{Rule, Rules};

/// Names the rules.
pub const RULES_ENV: &str = "FIDELIS_FAILPOINTS";
/// Names the file of moments.
pub const MOMENTS_ENV: &str = "FIDELIS_MOMENTS";

/// Reads the environment and installs what it asks for.
///
/// # Panics
/// On a rule that cannot be read: a test must not pass because its fault never came.
pub fn install() {
    let rules = env::var(RULES_ENV).unwrap_or_default();
    let rules = rules.parse::<Rules>().unwrap_or_else(|error| panic!("{RULES_ENV}: {error}"));
    let moments = env::var_os(MOMENTS_ENV).map(|path| {
        let file = File::options().create(true).append(true).open(&path);
        file.unwrap_or_else(|error| panic!("{MOMENTS_ENV}: {error}"))
    });
    failpoint::install(Box::new(TestHook { rules, moments }));
}

#[derive(Debug)]
struct TestHook {
    rules: Rules,
    moments: Option<File>,
}

impl Hook for TestHook {
    fn reach(&self, point: Point, chunk: Option<ChunkIndex>) -> bool {
        if let Some(mut file) = self.moments.as_ref() {
            let chunk = chunk.map_or_else(|| "-".to_owned(), |chunk| chunk.to_string());
            // One write of one line: appended whole, whoever else writes.
            file.write_all(format!("{point} {chunk} {}\n", std::process::id()).as_bytes()).ok();
        }
        let due: Vec<&Rule> = self.rules.moments.iter().filter(|rule| rule.is_due(point, chunk)).collect();
        due.into_iter().any(|rule| rule.action.perform())
    }

    fn plants(&self, bug: Bug) -> bool {
        self.rules.bugs.contains(&bug)
    }
}
