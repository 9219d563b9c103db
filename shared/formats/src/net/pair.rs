//! Whether two nets can guide each other.

use super::NetConfig;

/// Two nets that cannot work together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("net and gnet do not fit: `{field}` is {net} and {gnet}")]
pub struct Mismatch {
    /// The field of the configs.
    pub field: &'static str,
    /// Its value in the main net.
    pub net: String,
    /// Its value in the guiding net.
    pub gnet: String,
}

/// Checks that two nets act on the same images at the same scale, with the same classes; an unconditional guiding net
/// fits any.
///
/// # Errors
/// The first field that differs.
pub fn check_pair(net: &NetConfig, gnet: &NetConfig) -> Result<(), Mismatch> {
    let mismatch = |field, net: String, gnet: String| Err(Mismatch { field, net, gnet });
    let (ours, theirs) = (net.image_shape(), gnet.image_shape());
    if ours != theirs {
        return mismatch("image shape", format!("{ours:?}"), format!("{theirs:?}"));
    }
    if net.sigma_data != gnet.sigma_data {
        return mismatch("sigma_data", net.sigma_data.to_string(), gnet.sigma_data.to_string());
    }
    if gnet.label_dim != 0 && net.label_dim != gnet.label_dim {
        return mismatch("label_dim", net.label_dim.to_string(), gnet.label_dim.to_string());
    }
    if let (Some(ours), Some(theirs)) = (net.encoder, gnet.encoder)
        && ours != theirs
    {
        return mismatch("encoder", format!("{ours:?}"), format!("{theirs:?}"));
    }
    if let (Some(ours), Some(theirs)) = (&net.whitening, &gnet.whitening)
        && ours != theirs
    {
        return mismatch("whitening", format!("{ours:?}"), format!("{theirs:?}"));
    }
    Ok(())
}
