//! From a tree of modules to a state dict.

use std::collections::{HashMap, HashSet};

use super::damaged;
use crate::pickle::Value;
use crate::torch_file::Storages;
use crate::{FormatError, StateDict, text};

/// The classes that a net is made of.
const CLASSES: [&str; 6] = ["Precond", "UNet", "Block", "MPConv", "MPFourier", "ModuleDict"];
/// Modules lie in each other no deeper than this: net, U-Net, `enc`, block, layer.
const MAX_DEPTH: usize = 8;
/// Entries of dicts that are looked at: dicts may be shared.
const MAX_ENTRIES: usize = 1 << 20;

/// A walk through modules that ends, whatever they hold.
#[derive(Debug)]
pub struct Walk {
    storages: Storages,
    tensors: StateDict,
    entries_left: usize,
}

impl Walk {
    pub fn new(file_len: usize) -> Self {
        Self {
            storages: Storages::new(file_len, HashMap::new(), None),
            tensors: StateDict::new(),
            entries_left: MAX_ENTRIES,
        }
    }

    /// Parameters and buffers of a module and of all below it, under their state-dict names.
    ///
    /// # Errors
    /// Modules that contain themselves or are of a class that is not known, tensors that are damaged.
    pub fn tensors(mut self, net: Value<'_>) -> Result<StateDict, FormatError> {
        let mut waiting = vec![(String::new(), net, 0)];
        let mut seen = HashSet::new();
        while let Some((prefix, module, depth)) = waiting.pop() {
            let place = if prefix.is_empty() { "ema" } else { prefix.trim_end_matches('.') };
            let (class, state) = module
                .as_object()
                .ok_or_else(|| damaged(format!("`{place}` is {}, no module", module.kind())))?;
            if !CLASSES.contains(&class) {
                return Err(FormatError::Unknown(format!("`{place}`, a `{}`", text::name(class))));
            }
            if depth > MAX_DEPTH || !seen.insert(module.id()) {
                return Err(damaged(format!("`{place}` is there twice or lies in itself")));
            }
            let entries = state.entries().map_or(0, |entries| entries.len());
            self.spend(entries)?;
            for part in ["_parameters", "_buffers"] {
                self.add(&prefix, state.get(part))?;
            }
            for (name, child) in self.named(&prefix, state.get("_modules"))? {
                if !child.is_none() {
                    waiting.push((format!("{prefix}{name}."), child, depth + 1));
                }
            }
        }
        Ok(self.tensors)
    }

    fn add(&mut self, prefix: &str, tensors: Option<Value<'_>>) -> Result<(), FormatError> {
        for (name, tensor) in self.named(prefix, tensors)? {
            if tensor.is_none() {
                continue;
            }
            let name = format!("{prefix}{name}");
            let array = self.storages.array(&name, tensor)?;
            if self.tensors.contains_key(&name) {
                return Err(damaged(format!("`{name}` is there twice")));
            }
            self.tensors.insert(name, array);
        }
        Ok(())
    }

    /// The entries of a dict of modules or tensors; none where there is no dict.
    fn named<'a>(
        &mut self,
        prefix: &str,
        dict: Option<Value<'a>>,
    ) -> Result<Vec<(&'a str, Value<'a>)>, FormatError> {
        const MAX_NAME_BYTES: usize = 100;
        let Some(entries) = dict.and_then(Value::entries) else { return Ok(Vec::new()) };
        self.spend(entries.len())?;
        let named = entries.map(|(key, value)| match key.as_str() {
            Some(name) if name.len() <= MAX_NAME_BYTES && !name.contains(char::is_control) => {
                Ok((name, value))
            }
            _ => Err(damaged(format!("a part of `{prefix}` that has no name"))),
        });
        named.collect()
    }

    fn spend(&mut self, entries: usize) -> Result<(), FormatError> {
        let left = self.entries_left.checked_sub(entries);
        self.entries_left = left.ok_or_else(|| damaged("more parts than a net can have".to_owned()))?;
        Ok(())
    }
}
