//! How far a training on the queue is, as its own files tell.

use fidelis_contract::{ids::RunId, keys};
use fidelis_fleet::store::{Store, StoreError};
use serde_json::{Value, json};

/// What a training has left so far.
#[derive(Debug, Default, PartialEq)]
pub struct Training {
    /// The last line of its numbers.
    last: Option<Value>,
    /// Names of what a worker would go on from, and of the last snapshot.
    state: Option<String>,
    snapshot: Option<String>,
    /// Where the page is.
    page: Option<String>,
}

/// Looks at a training's files.
///
/// # Errors
/// What kept the store from answering.
pub async fn seen(store: &Store, run: &RunId) -> Result<Training, StoreError> {
    let prefix = keys::training_prefix(run);
    let folder = store.folder(&prefix).await?;
    let names: Vec<&str> =
        folder.objects.iter().filter_map(|object| object.key.strip_prefix(&prefix)).collect();
    // Of equal width, so that the last is the newest.
    let last = |beginning: &str| {
        names.iter().filter(|name| name.starts_with(beginning)).max().map(|&name| name.to_owned())
    };
    let stats = store.get(&format!("{prefix}stats.jsonl")).await?.unwrap_or_default();
    let page = names.contains(&"training.html").then(|| store.url_of(&format!("{prefix}training.html")));
    Ok(Training {
        last: String::from_utf8_lossy(&stats)
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .next_back(),
        state: last("training-state-"),
        snapshot: last("network-snapshot-"),
        page,
    })
}

impl Training {
    /// For people.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![match &self.last {
            None => "training has left no numbers yet".to_owned(),
            Some(last) => {
                let number = |name: &str| last[name].as_f64().unwrap_or(f64::NAN);
                format!(
                    "training step {}, {} images, loss {:.4}, {:.1} images/s",
                    last["step"],
                    last["images"],
                    number("loss"),
                    number("images_per_s")
                )
            }
        }];
        lines.extend(
            self.state.as_ref().map(|name| format!("state    `{name}`: what another worker goes on from")),
        );
        lines.extend(self.snapshot.as_ref().map(|name| format!("snapshot `{name}`, the last")));
        lines.extend(self.page.as_ref().map(|url| format!("page     {url}")));
        lines
    }

    /// For programs.
    pub fn json(&self) -> Value {
        json!({ "last": self.last, "state": self.state, "snapshot": self.snapshot, "page": self.page })
    }
}
