use std::{
    fs::File,
    path::PathBuf,
    str::FromStr,
    sync::atomic::{AtomicU64, Ordering},
};

use anyhow::{Context, Error, Result, bail};
use fidelis_contract::ids::ChunkIndex;
use fidelis_fleet::failpoint::{Bug, Point};

use super::action::Action;

#[derive(Debug, Default)]
pub(super) struct Rules {
    pub(super) moments: Vec<Rule>,
    pub(super) bugs: Vec<Bug>,
}

/// An action at a moment, under conditions.
#[derive(Debug)]
pub(super) struct Rule {
    point: Point,
    pub(super) action: Action,
    chunk: Option<ChunkIndex>,
    nth: Option<u64>,
    token: Option<PathBuf>,
    times: AtomicU64,
}

impl FromStr for Rules {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut rules = Self::default();
        for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
            match part.strip_prefix("plant ") {
                Some(bug) => rules.bugs.push(bug.trim().parse()?),
                None => rules.moments.push(part.parse().with_context(|| format!("`{part}`"))?),
            }
        }
        Ok(rules)
    }
}

impl FromStr for Rule {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (point, rest) = text.split_once('=').context("give it as `moment = action`")?;
        let (action, conditions) = rest.split_once(" if ").unwrap_or((rest, ""));
        let mut rule = Rule {
            point: point.trim().parse()?,
            action: Action::parse(action.trim())?,
            chunk: None,
            nth: None,
            token: None,
            times: AtomicU64::new(0),
        };
        for condition in conditions.split(',').map(str::trim).filter(|condition| !condition.is_empty()) {
            match condition.split_once(' ') {
                Some(("chunk", chunk)) => rule.chunk = Some(chunk.parse()?),
                Some(("nth", nth)) => rule.nth = Some(nth.parse()?),
                Some(("token", path)) => rule.token = Some(path.into()),
                _ => bail!("unknown condition `{condition}`"),
            }
        }
        Ok(rule)
    }
}

impl Rule {
    /// Whether to act now; the last condition is the one that uses something up.
    pub(super) fn is_due(&self, point: Point, chunk: Option<ChunkIndex>) -> bool {
        if self.point != point || (self.chunk.is_some() && self.chunk != chunk) {
            return false;
        }
        let times = self.times.fetch_add(1, Ordering::Relaxed) + 1;
        self.nth.is_none_or(|nth| nth == times)
            && self.token.as_ref().is_none_or(|path| File::create_new(path).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_all_hold() {
        let folder = tempfile::tempdir().unwrap();
        let token = folder.path().join("t");
        let text = format!("worker:before_put = sleep 5 if chunk 3, nth 2, token {}", token.display());
        let Rules { moments, bugs } = format!("plant believed_412; {text}").parse().unwrap();
        assert_eq!(bugs, [Bug::Believed412]);
        let due = |point, chunk| moments[0].is_due(point, Some(chunk));
        assert!(!due(Point::WorkerBeforePut, 3), "the first time");
        assert!(!due(Point::WorkerAfterAck, 3) && !due(Point::WorkerBeforePut, 4), "of something else");
        assert!(due(Point::WorkerBeforePut, 3), "the second time");
        let again: Rules = text.replace("nth 2, ", "").parse().unwrap();
        assert!(!again.moments[0].is_due(Point::WorkerBeforePut, Some(3)), "the token is taken");
    }

    #[test]
    fn what_is_no_rule_is_refused() {
        for text in
            ["worker:before_lunch = kill", "worker:before_put", "worker:before_put = nap", "plant tulips"]
        {
            assert!(text.parse::<Rules>().is_err(), "{text}");
        }
    }
}
