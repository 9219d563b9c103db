//! One result, many renderings: a terminal's table, Markdown, a page that needs nothing but itself, a contact sheet.
//! Everything here is a pure function of [`RunResult`]s and pixels.

mod chart;
mod html;
mod markdown;
mod notes;
mod provenance;
pub mod sheet;
pub mod sweep;
mod table;
mod terminal;
mod text;

use fidelis_contract::result::RunResult;

pub use html::html;
pub use markdown::markdown;
pub use terminal::terminal;

/// What a report shows: one run, or several to compare in the order given.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// At least one, normally.
    pub runs: Vec<RunResult>,
    /// A contact sheet of these runs, PNG.
    pub sheet: Option<Vec<u8>>,
}
