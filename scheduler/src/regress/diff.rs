//! How one baseline differs from another: what somebody who accepts it should have seen.

use fidelis_contract::{
    baseline::{Baseline, Block, Figure},
    spec::{ResolvedSpec, SpecError},
};
use serde_json::{Value, json};

use super::fingerprint::{self, Allowed, Change};

/// Two baselines of a line, or of two.
#[derive(Clone, Debug, PartialEq)]
pub struct Diff {
    /// Fields of the spec, and properties of the machines.
    pub changes: Vec<Change>,
    /// Distances of blocks of the same seeds: detector, seeds, before, after.
    pub figures: Vec<(String, String, Figure, Figure)>,
    /// Blocks that are the same bytes, of those with the same seeds.
    pub same_blocks: [usize; 2],
    /// Properties of the baselines themselves: name, before, after.
    pub others: Vec<[String; 3]>,
}

impl Diff {
    /// From one to the other.
    ///
    /// # Errors
    /// A spec that is none.
    pub fn of(before: &Baseline, after: &Baseline) -> Result<Self, SpecError> {
        let nothing = Allowed::default();
        let specs = [before, after].map(|baseline| baseline.run_spec().and_then(ResolvedSpec::new));
        let [old, new] = specs;
        let mut changes = fingerprint::of_specs(&old?, &new?, &nothing)?;
        changes.extend(fingerprint::of_environments(&before.environment, &after.environment, &nothing));
        let common: Vec<(&Block, &Block)> = (after.blocks.iter())
            .filter_map(|block| Some((before.blocks.iter().find(|old| old.seeds == block.seeds)?, block)))
            .collect();
        let same = common.iter().filter(|(old, new)| old.sha256 == new.sha256).count();
        let figures = common.iter().flat_map(|(old, new)| {
            let both = |(name, after): (&String, &Figure)| {
                let before = old.figures.get(name)?;
                Some((name.clone(), new.seeds.to_string(), before.clone(), after.clone()))
            };
            new.figures.iter().filter_map(both).collect::<Vec<_>>()
        });
        let list = |values: &mut dyn Iterator<Item = String>| values.collect::<Vec<_>>().join(", ");
        let facts = |of: &Baseline| {
            [
                ("fidelis", list(&mut of.environment.fidelis.iter().cloned())),
                ("blocks", list(&mut of.blocks.iter().map(|block| block.seeds.to_string()))),
                ("images compared one by one", of.num_identity.to_string()),
                ("bound of latents", of.bound.latents.to_string()),
                ("bound of features", of.bound.features.to_string()),
            ]
        };
        let others = facts(before).into_iter().zip(facts(after)).filter(|(old, new)| old != new);
        let others = others.map(|((name, old), (_, new))| [name.to_owned(), old, new]).collect();
        Ok(Self { changes, same_blocks: [same, common.len()], figures: figures.collect(), others })
    }

    /// For people, a line each.
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        for Change { field, baseline, tonight, .. } in &self.changes {
            lines.push(format!("{field}  {} → {}", named(baseline), named(tonight)));
        }
        lines.extend(self.others.iter().map(|[name, old, new]| format!("{name}  {old} → {new}")));
        for (detector, seeds, old, new) in &self.figures {
            let percent = 100.0 * (new.value - old.value) / old.value;
            lines.push(format!(
                "{} ({detector}, seeds {seeds})  {:.4} ± {:.4} → {:.4} ± {:.4}, {percent:+.2} %",
                new.id, old.value, old.sd, new.value, new.sd
            ));
        }
        let [same, all] = self.same_blocks;
        lines.push(match (same, all) {
            (_, 0) => "images  of no common block of seeds".to_owned(),
            (same, all) if same == all => "images  the same, bit for bit".to_owned(),
            (same, all) => format!("images  other ones in {} of {all} blocks", all - same),
        });
        lines
    }

    /// As `--json` prints it.
    pub fn to_json(&self) -> Value {
        let figures = self.figures.iter().map(|(detector, seeds, old, new)| {
            json!({ "detector": detector, "seeds": seeds, "before": old, "after": new })
        });
        json!({
            "changes": self.changes,
            "others": self.others,
            "figures": figures.collect::<Vec<_>>(),
            "same_blocks": self.same_blocks[0],
            "common_blocks": self.same_blocks[1],
        })
    }
}

fn named(value: &str) -> &str {
    if value.is_empty() { "absent" } else { value }
}
