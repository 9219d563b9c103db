//! Lines that GitHub Actions shows beside a change.

use crate::regress::{NightResult, findings::Level};

/// More of one kind are not shown.
const MOST: usize = 10;

/// At most ten commands, the gravest first.
pub fn annotations(result: &NightResult) -> Vec<String> {
    let findings = result.findings.iter().take(MOST);
    findings
        .map(|finding| {
            let level = match finding.level {
                Level::Error => "error",
                Level::Warning => "warning",
                Level::Notice => "notice",
            };
            let title = property(&format!("fidelis regress: {}", finding.gate));
            format!("::{level} title={title}::{}", data(&finding.text))
        })
        .collect()
}

/// As the runner's toolkit escapes what stands after the colons.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
