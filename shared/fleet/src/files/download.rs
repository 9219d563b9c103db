//! One file on its way into the cache: resumed where it broke off, hashed as it comes, kept only if it is what was meant.

use std::{fs::File, io, path::Path};

use sha2::{Digest as _, Sha256};
use tokio::{fs::OpenOptions, io::AsyncWriteExt};

use super::{
    FileError, Progress, Transfer,
    cache::{Entry, PartOf, Slot, failed},
    remote::{Answer, Ask, Incoming, Remote},
};
use crate::retry::Backoff;
use fidelis_contract::ids::Digest;

/// A connection that gets this far gets a full set of tries again.
const HEADWAY_BYTES: u64 = 1 << 20;

/// A download; whoever runs it holds the slot's lock.
pub struct Download<'a> {
    pub remote: &'a Remote,
    pub slot: &'a Slot,
    /// What must come.
    pub pinned: Option<Digest>,
    pub backoff: Backoff,
    pub progress: Progress<'a>,
}

enum Fetched {
    /// What the address led to last is still what it leads to.
    Unchanged(Digest),
    /// The part is whole.
    Whole { entry: Entry, is_resumed: bool },
}

impl Download<'_> {
    /// Fetches the file, unless the server says that what is here is what it has.
    ///
    /// # Errors
    /// See [`FileError`]; what came is kept for the next try, except for bytes that are not what was meant.
    pub async fn run(&self) -> Result<Digest, FileError> {
        let (mut attempts, mut farthest) = (self.backoff.attempts(), self.slot.left_over().0);
        let mut may_start_over = true;
        loop {
            match self.attempt().await {
                Ok(Fetched::Unchanged(digest)) => return Ok(digest),
                Ok(Fetched::Whole { entry, is_resumed }) => match self.pinned {
                    Some(pinned) if pinned != entry.sha256 => {
                        self.slot.discard()?;
                        // The head may have been of another version.
                        if !(is_resumed && std::mem::take(&mut may_start_over)) {
                            let (file, found) = (self.remote.shown.clone(), entry.sha256);
                            return Err(FileError::Pin { file, pinned, found });
                        }
                    }
                    _ => {
                        self.slot.keep(&entry)?;
                        return Ok(entry.sha256);
                    }
                },
                Err(error) if error.is_transfers() => {
                    let reached = self.slot.left_over().0;
                    if reached >= farthest + HEADWAY_BYTES {
                        (attempts, farthest) = (self.backoff.attempts(), reached);
                    }
                    tracing::debug!("{error}");
                    if !attempts.again(&error).await {
                        return Err(error);
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn attempt(&self) -> Result<Fetched, FileError> {
        let known = self.slot.entry().filter(|_| self.pinned.is_none());
        let (have, part_of) = self.slot.left_over();
        if have > 0 && part_of.num_bytes == Some(have) && self.pinned.is_some() {
            let hasher = self.hash_part().await?;
            return Ok(self.whole(hasher, &part_of, Come { len: have, is_resumed: true }));
        }
        // Without a mark only the digest can tell whether two halves belong together.
        let can_resume = part_of.mark.is_some() || self.pinned.is_some();
        let mut ask = Ask {
            from: if can_resume { have } else { 0 },
            part_of: part_of.mark.as_deref(),
            known: known.as_ref().and_then(|entry| entry.mark.as_deref()),
        };
        loop {
            match (self.remote.ask(ask).await?, &known) {
                (Answer::Unchanged, Some(entry)) => return Ok(Fetched::Unchanged(entry.sha256)),
                (Answer::Unchanged, None) | (Answer::StartOver, _) if ask.from > 0 => {
                    ask = Ask { from: 0, part_of: None, known: None };
                }
                (Answer::Unchanged | Answer::StartOver, _) => {
                    let cause = "the server answers what was not asked".to_owned();
                    return Err(FileError::Broken { file: self.remote.shown.clone(), cause });
                }
                (Answer::Body(incoming), _) => return self.receive(incoming).await,
            }
        }
    }

    async fn receive(&self, mut incoming: Incoming) -> Result<Fetched, FileError> {
        let of = PartOf { mark: incoming.mark.take(), num_bytes: incoming.num_bytes };
        let is_resumed = incoming.from > 0;
        let mut hasher = if is_resumed {
            self.hash_part().await?
        } else {
            self.slot.begin(&of)?;
            Sha256::new()
        };
        let path = self.slot.part();
        let mut part = OpenOptions::new().append(true).open(&path).await.map_err(failed(&path))?;
        let mut len = incoming.from;
        let mut received = Ok(());
        loop {
            self.tell(len, of.num_bytes);
            match incoming.body.next().await {
                Ok(Some(piece)) => {
                    hasher.update(&piece);
                    part.write_all(&piece).await.map_err(failed(&path))?;
                    len += piece.len() as u64;
                }
                Ok(None) => break,
                Err(error) => {
                    received = Err(error);
                    break;
                }
            }
        }
        // What came is kept, also when the rest did not.
        part.flush().await.map_err(failed(&path))?;
        received?;
        match of.num_bytes {
            Some(num_bytes) if num_bytes != len => Err(FileError::Broken {
                file: self.remote.shown.clone(),
                cause: format!("it ended after {len} of {num_bytes} bytes"),
            }),
            _ => Ok(self.whole(hasher, &of, Come { len, is_resumed })),
        }
    }

    fn whole(&self, hasher: Sha256, of: &PartOf, come: Come) -> Fetched {
        let entry = Entry {
            url: self.remote.shown.clone(),
            mark: of.mark.clone(),
            num_bytes: come.len,
            sha256: Digest(hasher.finalize().into()),
        };
        Fetched::Whole { entry, is_resumed: come.is_resumed }
    }

    /// A hasher that has seen the part.
    async fn hash_part(&self) -> Result<Sha256, FileError> {
        let path = self.slot.part();
        let hashed = tokio::task::spawn_blocking({
            let path = path.clone();
            move || hash(&path)
        });
        hashed.await.unwrap_or_else(|error| Err(io::Error::other(error))).map_err(failed(&path))
    }

    fn tell(&self, num_bytes: u64, total_bytes: Option<u64>) {
        (self.progress)(&Transfer { file: &self.remote.shown, num_bytes, total_bytes });
    }
}

struct Come {
    len: u64,
    is_resumed: bool,
}

fn hash(path: &Path) -> io::Result<Sha256> {
    let mut hasher = Sha256::new();
    io::copy(&mut File::open(path)?, &mut hasher)?;
    Ok(hasher)
}
