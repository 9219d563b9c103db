//! What a check found: a line of JSON on stdout, and the same for people on stderr.

use std::any::Any;
use std::cell::Cell;
use std::process::ExitCode;

use serde_json::{Map, Value, json};

/// The rows of one check.
#[derive(Debug)]
pub struct Report {
    check: String,
    all_held: Cell<bool>,
}

impl Report {
    pub fn new(check: &str) -> Self {
        Self { check: check.to_owned(), all_held: Cell::new(true) }
    }

    /// A question and whether the answer is the one that was promised.
    pub fn holds(&self, ok: bool, fields: Value) {
        self.all_held.set(self.all_held.get() && ok);
        self.row(if ok { "ok" } else { "FAILED" }, Some(ok), fields);
    }

    /// A figure that is neither right nor wrong.
    pub fn measured(&self, fields: Value) {
        self.row("-", None, fields);
    }

    /// What was not done, and why.
    pub fn skipped(&self, what: &str, why: &str) {
        self.row("skipped", None, json!({"what": what, "skipped": why}));
    }

    /// What ended the check, or a part of it.
    pub fn failed(&self, problem: &str) {
        self.holds(false, json!({"problem": problem}));
    }

    pub fn code(&self) -> ExitCode {
        ExitCode::from(u8::from(!self.all_held.get()))
    }

    fn row(&self, verdict: &str, ok: Option<bool>, fields: Value) {
        let Value::Object(fields) = fields else { panic!("a row is an object, not {fields}") };
        let words: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
        eprintln!("{verdict:7} {:10} {}", self.check, words.join(" "));
        let mut row: Map<String, Value> = [("check".to_owned(), json!(self.check))].into_iter().collect();
        row.extend(ok.map(|ok| ("ok".to_owned(), json!(ok))));
        row.extend(fields);
        println!("{}", Value::Object(row));
    }
}

/// What a panic says, in one line.
pub fn first_line(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without a word");
    text.lines().next().unwrap_or_default().to_owned()
}
