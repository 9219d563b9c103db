//! What is varied, and its values.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::SweepError;
use crate::{spec::FileRef, text::serde_as_text};

/// Tables of a spec whose numbers may be swept by their dotted names.
const TABLES: [&str; 4] = ["sampler.", "synthetic.", "net_damage.", GNET_DAMAGE];
const GNET_DAMAGE: &str = "gnet_damage.";

/// What is varied. The order is that of a grid's loops, outermost first: cells that share nets are neighbours.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AxisName {
    /// The main net's file.
    Net,
    /// The EMA length in the name of the main net's file.
    NetEma,
    /// The guiding net's file.
    Gnet,
    /// The EMA length in the name of the guiding net's file.
    GnetEma,
    /// Where guidance is applied: noise levels (lo, hi], or everywhere.
    Interval,
    /// The sampler's steps.
    Steps,
    /// S_churn.
    Churn,
    /// Another number of the spec, dotted.
    Field(String),
    /// w.
    Guidance,
}

impl AxisName {
    /// Where its value stands in a spec as JSON; an EMA length changes the name of the file that stands there.
    pub fn pointer(&self) -> String {
        match self {
            Self::Net | Self::NetEma => "/net".to_owned(),
            Self::Gnet | Self::GnetEma => "/gnet".to_owned(),
            Self::Interval => "/guidance_interval".to_owned(),
            Self::Steps => "/sampler/num_steps".to_owned(),
            Self::Churn => "/sampler/S_churn".to_owned(),
            Self::Field(name) => format!("/{}", name.replace('.', "/")),
            Self::Guidance => "/guidance".to_owned(),
        }
    }

    /// Whether it has no meaning where nothing guides.
    pub fn is_of_guidance(&self) -> bool {
        match self {
            Self::Field(name) => name.starts_with(GNET_DAMAGE),
            other => matches!(other, Self::Gnet | Self::GnetEma | Self::Interval),
        }
    }

    /// Whether its values are numbers, which an axis of a chart can hold.
    pub fn is_number(&self) -> bool {
        !matches!(self, Self::Net | Self::Gnet | Self::Interval)
    }
}

impl fmt::Display for AxisName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Net => "net",
            Self::NetEma => "net_ema",
            Self::Gnet => "gnet",
            Self::GnetEma => "gnet_ema",
            Self::Interval => "interval",
            Self::Steps => "steps",
            Self::Churn => "churn",
            Self::Field(name) => name,
            Self::Guidance => "guidance",
        })
    }
}

impl FromStr for AxisName {
    type Err = SweepError;
    fn from_str(text: &str) -> Result<Self, SweepError> {
        Ok(match text {
            "net" => Self::Net,
            "net_ema" => Self::NetEma,
            "gnet" => Self::Gnet,
            "gnet_ema" => Self::GnetEma,
            "interval" => Self::Interval,
            "steps" => Self::Steps,
            "churn" => Self::Churn,
            "guidance" => Self::Guidance,
            field if TABLES.iter().any(|table| field.starts_with(table)) => Self::Field(field.to_owned()),
            other => return Err(SweepError::Axis(other.to_owned())),
        })
    }
}

serde_as_text!(AxisName);

/// A value of an axis, as a spec is given it.
#[derive(Debug, Clone, PartialEq)]
pub enum AxisValue {
    /// A setting or an EMA length.
    Number(f64),
    /// (lo, hi], or everywhere.
    Interval(Option<(f64, f64)>),
    /// A net, and what it is called.
    File {
        /// Where it lies.
        file: FileRef,
        /// Unlike that of the axis's other files.
        label: String,
    },
}

/// An axis of a sweep; values in the order given, each once.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    /// What is varied.
    pub name: AxisName,
    /// At least one.
    pub values: Vec<AxisValue>,
}

/// A value of an axis, as tables and figures show it.
#[derive(Debug, Clone, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Setting {
    /// A number.
    Number(f64),
    /// (lo, hi], or everywhere.
    Interval(Option<(f64, f64)>),
    /// What a file is called.
    File(String),
}

impl From<&AxisValue> for Setting {
    fn from(value: &AxisValue) -> Self {
        match value {
            AxisValue::Number(number) => Self::Number(*number),
            AxisValue::Interval(interval) => Self::Interval(*interval),
            AxisValue::File { label, .. } => Self::File(label.clone()),
        }
    }
}

impl Setting {
    /// The number, where it is one.
    pub fn number(&self) -> Option<f64> {
        if let Self::Number(number) = self { Some(*number) } else { None }
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Interval(None) => f.write_str("all"),
            Self::Interval(Some((lo, hi))) => write!(f, "{lo}:{hi}"),
            Self::File(label) => f.write_str(label),
        }
    }
}
