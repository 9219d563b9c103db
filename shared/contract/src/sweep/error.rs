use crate::spec::SpecError;

/// Why there is no such sweep. All of these are the user's to mend.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// A name that is none.
    #[error(
        "unknown axis `{0}`: use one of `guidance`, `interval`, `net`, `net_ema`, `gnet`, `gnet_ema`, `steps`, `churn`, or a number \
         of the spec such as `sampler.rho`"
    )]
    Axis(String),
    /// Values that cannot be read.
    #[error("axis `{axis}`: {problem}")]
    Values {
        /// Which.
        axis: String,
        /// What is wrong and what to write instead.
        problem: String,
    },
    /// No axis.
    #[error("there is nothing to sweep: give at least one axis, such as `guidance = \"1:3:0.25\"`")]
    Empty,
    /// More than anybody reads.
    #[error("{cells} cells are more than {}: widen the steps, or sweep in parts", super::MAX_CELLS)]
    TooMany {
        /// How many there would be.
        cells: u64,
    },
    /// A value that the spec refuses.
    #[error("cell `{cell}`: {source}")]
    Cell {
        /// Its settings.
        cell: String,
        /// Why not.
        source: SpecError,
    },
    /// A net whose file's name tells no EMA length.
    #[error(
        "axis `{axis}`: the name of `{file}` does not end in an EMA length, as `…-0.050.safetensors` does: list the files \
         by `{files}` instead"
    )]
    NoEma {
        /// `net_ema` or `gnet_ema`.
        axis: &'static str,
        /// The net.
        file: String,
        /// `net` or `gnet`.
        files: &'static str,
    },
    /// Not TOML, or a field that does not exist.
    #[error("sweep `{origin}`: {problem}")]
    Syntax {
        /// The file.
        origin: String,
        /// One line.
        problem: String,
    },
    /// A field that makes no sense.
    #[error("sweep field `{field}`: {problem}")]
    Field {
        /// Which.
        field: &'static str,
        /// What is wrong and what to write instead.
        problem: String,
    },
}

crate::usage_errors!(SweepError);
