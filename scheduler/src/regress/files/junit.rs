//! The gates as test cases.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use crate::compare::Verdict;
use crate::regress::{
    NightResult,
    findings::{Finding, Level},
    identity::Sameness,
};

/// A suite of the gates that there were.
pub(super) fn junit(result: &NightResult) -> String {
    let mut suite = TestSuite::new("fidelis regress");
    let refused = result.verdict == Verdict::Nothing;
    suite.add_test_case(case(result, "fingerprint", refused.then_some(NonSuccessKind::Error), "refused"));
    if let Some(gate) = &result.identity {
        let failed = (gate.verdict == Sameness::Changed).then_some(NonSuccessKind::Failure);
        suite.add_test_case(case(result, "identity", failed, "changed"));
    }
    for (detector, gate) in &result.statistics {
        let passed = gate.same_arithmetic && matches!(gate.verdict, Verdict::Fine | Verdict::Improved);
        let failed = (!passed).then_some(NonSuccessKind::Failure);
        suite.add_test_case(case(result, &format!("distance {detector}"), failed, &gate.verdict.to_string()));
    }
    let mut report = Report::new(format!("fidelis regress {}", result.night));
    report.add_test_suite(suite);
    // Written into memory.
    report.to_string().unwrap_or_default()
}

fn case(result: &NightResult, gate: &str, failed: Option<NonSuccessKind>, kind: &str) -> TestCase {
    let said: Vec<&Finding> = result.findings.iter().filter(|finding| finding.gate == gate).collect();
    let text = |least: Level| {
        let said = said.iter().filter(|finding| finding.level <= least).map(|finding| finding.text.as_str());
        said.collect::<Vec<_>>().join("\n")
    };
    let mut case = match failed {
        None => TestCase::new(gate, TestCaseStatus::success()),
        Some(failed) => {
            let mut status = TestCaseStatus::non_success(failed);
            status.set_message(text(Level::Warning)).set_type(kind);
            TestCase::new(gate, status)
        }
    };
    case.set_classname("fidelis.regress").set_system_out(text(Level::Notice));
    case
}
