//! Files as other houses write them, for tests: nets in the published pickle layout, torch's two formats, NumPy's
//! arrays in pickles.

mod net;
mod python;
mod torch;

pub use net::{net, object, rgb_encoder};
pub use python::{Py, call, dict, ndarray, pickle, text};
pub use torch::{
    inline_storage, legacy, legacy_state_dict, strides, tensor, torch_entries, views, zip, zip_entries,
    zip_state_dict,
};
