//! The names that a pickle may use. None of them is ever called: each stands for a shape of data that is known here.

use crate::Dtype;

/// A name that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Global {
    /// An object of the authors' classes, from one dict.
    PersistentObject,
    EasyDict,
    OrderedDict,
    ModuleDict,
    RebuildParameter,
    RebuildTensor,
    /// A storage in torch's legacy format, from its bytes.
    LoadFromBytes,
    /// The type of a storage's elements.
    Storage(Dtype),
    NumpyReconstruct,
    NumpyArray,
    NumpyDtype,
    /// An array of protocol 5, from its bytes.
    NumpyFromBuffer,
    /// A number of NumPy's.
    NumpyScalar,
    /// Bytes as protocol 2 writes them: a text of Latin-1.
    Encode,
    Bytes,
    ByteArray,
    /// `set` or `frozenset`, which protocols below 4 call.
    Set,
}

impl Global {
    pub fn named(module: &str, name: &str) -> Option<Self> {
        Some(match (module, name) {
            ("torch_utils.persistence", "_reconstruct_persistent_obj") => Self::PersistentObject,
            ("dnnlib.util", "EasyDict") => Self::EasyDict,
            ("collections", "OrderedDict") => Self::OrderedDict,
            ("torch.nn.modules.container", "ModuleDict") => Self::ModuleDict,
            ("torch._utils", "_rebuild_parameter") => Self::RebuildParameter,
            ("torch._utils", "_rebuild_tensor_v2") => Self::RebuildTensor,
            ("torch.storage", "_load_from_bytes") => Self::LoadFromBytes,
            ("torch", _) => Self::Storage(storage_dtype(name)?),
            ("numpy.core.multiarray" | "numpy._core.multiarray", "_reconstruct") => Self::NumpyReconstruct,
            ("numpy.core.multiarray" | "numpy._core.multiarray", "scalar") => Self::NumpyScalar,
            ("numpy.core.numeric" | "numpy._core.numeric", "_frombuffer") => Self::NumpyFromBuffer,
            ("_codecs", "encode") => Self::Encode,
            ("builtins" | "__builtin__", "bytes") => Self::Bytes,
            ("builtins" | "__builtin__", "bytearray") => Self::ByteArray,
            ("builtins" | "__builtin__", "set" | "frozenset") => Self::Set,
            ("numpy", "ndarray") => Self::NumpyArray,
            ("numpy", "dtype") => Self::NumpyDtype,
            _ => return None,
        })
    }
}

fn storage_dtype(name: &str) -> Option<Dtype> {
    Some(match name {
        "HalfStorage" => Dtype::F16,
        "BFloat16Storage" => Dtype::BF16,
        "FloatStorage" => Dtype::F32,
        "DoubleStorage" => Dtype::F64,
        "ByteStorage" => Dtype::U8,
        "IntStorage" => Dtype::I32,
        "LongStorage" => Dtype::I64,
        "BoolStorage" => Dtype::Bool,
        _ => return None,
    })
}

/// NumPy's short name of an element type.
pub fn numpy_dtype(name: &str) -> Option<Dtype> {
    Some(match name {
        "f2" => Dtype::F16,
        "f4" => Dtype::F32,
        "f8" => Dtype::F64,
        "u1" => Dtype::U8,
        "i4" => Dtype::I32,
        "i8" => Dtype::I64,
        "b1" => Dtype::Bool,
        _ => return None,
    })
}
