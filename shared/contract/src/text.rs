//! Types whose one external form is a string: serde goes through `Display` and `FromStr`.

/// Implements `Serialize` and `Deserialize` for a type by its `Display` and `FromStr`.
#[doc(hidden)]
#[macro_export]
macro_rules! serde_as_text {
    ($name:ty) => {
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

/// Declares an enum of unit variants with one fixed spelling each.
#[macro_export]
macro_rules! text_enum {
    ($(#[$meta:meta])* $name:ident: $what:literal { $($(#[$vmeta:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$vmeta])* $variant),+ }

        impl $name {
            /// The spelling used in specs, on command lines and in receipts.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::text::UnknownWord;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($text => Ok(Self::$variant),)+
                    _ => Err($crate::text::UnknownWord {
                        what: $what,
                        word: text.to_owned(),
                        known: &[$($text),+],
                    }),
                }
            }
        }

        $crate::serde_as_text!($name);
    };
}

pub(crate) use {serde_as_text, text_enum};

/// A word that is none of the known spellings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown {what} `{word}`: use one of `{}`", known.join("`, `"))]
pub struct UnknownWord {
    /// What the word should have been, for example "precision".
    pub what: &'static str,
    /// The word as given.
    pub word: String,
    /// The spellings that are known.
    pub known: &'static [&'static str],
}

/// A message on one line, whatever it quotes of what was read.
pub fn line(message: &(impl std::fmt::Display + ?Sized)) -> String {
    visible(&message.to_string().split_whitespace().collect::<Vec<_>>().join(" "))
}

/// The text with every control character but newlines and tabs as an escape that people can read.
pub fn visible(text: &str) -> String {
    let shown = |c: char| match c {
        '\n' | '\t' => c.to_string(),
        c if c.is_control() => c.escape_debug().to_string(),
        c => c.to_string(),
    };
    text.chars().map(shown).collect()
}

/// True when `text` is 1 to `max_len` of `[a-z0-9-]`, not starting with a dash.
pub fn is_name(text: &str, max_len: usize) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    (1..=max_len).contains(&text.len())
        && plain(text.as_bytes()[0])
        && text.bytes().all(|b| plain(b) || b == b'-')
}
