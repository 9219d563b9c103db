//! NumPy's `.npy`: its header, and the few dtypes that statistics come in.

use std::io::Read;

use crate::{FormatError, array::half, text};

const MAGIC: &[u8; 6] = b"\x93NUMPY";
/// The data begins at a multiple of this.
const ALIGNMENT: usize = 64;
/// How many values are read at a time.
const PART_VALUES: u64 = 1 << 16;
/// NumPy's own reader refuses longer headers of plain arrays.
const MAX_HEADER_BYTES: usize = 10_000;

/// An array widened to float64, C order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Array {
    pub shape: Vec<usize>,
    pub values: Vec<f64>,
}

/// `np.save` of a little-endian float64 array, C order, byte for byte.
pub(crate) fn encode_f64(shape: &[usize], values: &[f64]) -> Vec<u8> {
    let mut bytes = header("<f8", shape);
    bytes.extend(values.iter().flat_map(|x| x.to_le_bytes()));
    bytes
}

/// The same of float32.
pub(crate) fn encode_f32(shape: &[usize], values: &[f32]) -> Vec<u8> {
    let mut bytes = header("<f4", shape);
    bytes.extend(values.iter().flat_map(|x| x.to_le_bytes()));
    bytes
}

/// `np.save` of a zero-dimensional int64.
pub(crate) fn encode_i64(value: i64) -> Vec<u8> {
    let mut bytes = header("<i8", &[]);
    bytes.extend(value.to_le_bytes());
    bytes
}

/// `np.save` of a zero-dimensional text.
pub(crate) fn encode_text(text: &str) -> Vec<u8> {
    let mut bytes = header(&format!("<U{}", text.chars().count()), &[]);
    bytes.extend(text.chars().flat_map(|c| u32::from(c).to_le_bytes()));
    bytes
}

/// Reads one short text; `None` where the array is another thing.
pub(crate) fn decode_text(reader: &mut impl Read) -> Option<String> {
    const MAX_CHARS: u64 = 1000;
    let header = Header::read(reader).ok().filter(|header| header.num_elements() == Some(1))?;
    let (kind, count) = header.descr.split_at_checked(2)?;
    let count = count.parse().ok().filter(|&count: &u64| count <= MAX_CHARS)?;
    let mut bytes = Vec::new();
    reader.take(4 * count).read_to_end(&mut bytes).ok()?;
    let text: String = match kind {
        "<U" => bytes
            .as_chunks()
            .0
            .iter()
            .map(|&c| char::from_u32(u32::from_le_bytes(c)))
            .collect::<Option<_>>()?,
        "|S" => String::from_utf8(bytes).ok()?,
        _ => return None,
    };
    Some(text.trim_end_matches('\0').to_owned())
}

fn header(descr: &str, shape: &[usize]) -> Vec<u8> {
    let shape = match shape {
        [one] => format!("({one},)"),
        many => format!("({})", many.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")),
    };
    let mut dict = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
    let unpadded = MAGIC.len() + 4 + dict.len() + 1;
    dict.push_str(&" ".repeat(unpadded.next_multiple_of(ALIGNMENT) - unpadded));
    dict.push('\n');
    let mut bytes = MAGIC.to_vec();
    bytes.extend([1, 0]);
    bytes.extend((dict.len() as u16).to_le_bytes());
    bytes.extend(dict.as_bytes());
    bytes
}

/// What stands in front of the values.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Header {
    /// The element type, as `<f8`.
    pub descr: String,
    /// Column-major order.
    pub fortran: bool,
    pub shape: Vec<usize>,
}

impl Header {
    /// Reads up to the first value.
    pub fn read(reader: &mut impl Read) -> Result<Self, FormatError> {
        let dict = read_header(reader)?;
        let descr = quoted(field(&dict, "descr")?).ok_or_else(|| damaged("a structured dtype"))?;
        let fortran = field(&dict, "fortran_order")?.starts_with("True");
        Ok(Self { descr: text::name(descr), fortran, shape: parse_shape(field(&dict, "shape")?)? })
    }

    /// How many elements there are, if that can be said.
    pub fn num_elements(&self) -> Option<u64> {
        self.shape.iter().try_fold(1_u64, |n, &d| n.checked_mul(d as u64))
    }
}

/// Reads one array of at most `max_values`; the reader must end with it.
pub(crate) fn decode(reader: &mut impl Read, max_values: u64) -> Result<Array, FormatError> {
    let header = Header::read(reader)?;
    let count = header.num_elements().unwrap_or(u64::MAX);
    if count > max_values {
        return Err(FormatError::TooLarge { what: "number of values", value: count, limit: max_values });
    }
    let Some((width, convert)) = converter(&header.descr) else {
        return Err(damaged(format!("dtype `{}` is no plain number", header.descr)));
    };
    let mut values = Vec::new();
    // In parts: the bytes and the numbers of a large sigma need not be there side by side.
    let mut part = Vec::new();
    while (values.len() as u64) < count {
        let wanted = (count - values.len() as u64).min(PART_VALUES) * width as u64;
        part.clear();
        reader.take(wanted).read_to_end(&mut part).map_err(|error| unreadable(&error))?;
        if part.len() as u64 != wanted {
            return Err(damaged(format!("not the `{count}` values that its header announces")));
        }
        values.extend(part.chunks_exact(width).map(convert));
    }
    if reader.read(&mut [0]).map_err(|error| unreadable(&error))? != 0 {
        return Err(damaged(format!("more than the `{count}` values that its header announces")));
    }
    if let ([rows, columns], true) = (&header.shape[..], header.fortran) {
        values = (0..rows * columns).map(|k| values[k % columns * rows + k / columns]).collect();
    }
    Ok(Array { shape: header.shape, values })
}

/// Whether [`decode`] reads arrays of this dtype.
pub(crate) fn is_number(descr: &str) -> bool {
    converter(descr).is_some()
}

/// Of the bytes of one number.
type Convert = fn(&[u8]) -> f64;

/// The width of a dtype's numbers, and how one becomes a float64.
fn converter(descr: &str) -> Option<(usize, Convert)> {
    macro_rules! of {
        ($type:ty, $from:ident) => {
            (size_of::<$type>(), |b| <$type>::$from(b.try_into().unwrap_or_default()) as f64)
        };
    }
    Some(match descr {
        "<f8" => of!(f64, from_le_bytes),
        "<f4" => of!(f32, from_le_bytes),
        "<f2" => (2, |b| half(u16::from_le_bytes(b.try_into().unwrap_or_default()))),
        "<i8" => of!(i64, from_le_bytes),
        "<i4" => of!(i32, from_le_bytes),
        "<i2" => of!(i16, from_le_bytes),
        "|i1" | "<i1" => of!(i8, from_le_bytes),
        "<u8" => of!(u64, from_le_bytes),
        "<u4" => of!(u32, from_le_bytes),
        "<u2" => of!(u16, from_le_bytes),
        "|u1" | "<u1" | "|b1" => of!(u8, from_le_bytes),
        ">f8" => of!(f64, from_be_bytes),
        ">f4" => of!(f32, from_be_bytes),
        ">i8" => of!(i64, from_be_bytes),
        ">i4" => of!(i32, from_be_bytes),
        ">i2" => of!(i16, from_be_bytes),
        ">u8" => of!(u64, from_be_bytes),
        ">u4" => of!(u32, from_be_bytes),
        ">u2" => of!(u16, from_be_bytes),
        _ => return None,
    })
}

fn read_header(reader: &mut impl Read) -> Result<String, FormatError> {
    let mut start = [0; 8];
    reader.read_exact(&mut start).map_err(|_| damaged("it ends in its header"))?;
    if start[..6] != *MAGIC || !(1..=3).contains(&start[6]) {
        return Err(damaged("it does not begin as one"));
    }
    let mut length = [0; 4];
    let digits = if start[6] == 1 { 2 } else { 4 };
    reader.read_exact(&mut length[..digits]).map_err(|_| damaged("it ends in its header"))?;
    let length = u32::from_le_bytes(length) as usize;
    if length > MAX_HEADER_BYTES {
        return Err(damaged(format!("a header of `{length}` bytes")));
    }
    let mut text = vec![0; length];
    reader.read_exact(&mut text).map_err(|_| damaged("it ends in its header"))?;
    String::from_utf8(text).map_err(|_| damaged("its header is not text"))
}

/// What follows `'name':` in the header's dict.
fn field<'a>(dict: &'a str, name: &str) -> Result<&'a str, FormatError> {
    let key = format!("'{name}':");
    let value = dict.find(&key).map(|at| dict[at + key.len()..].trim_start());
    value.ok_or_else(|| damaged(format!("its header has no `{name}`")))
}

fn quoted(value: &str) -> Option<&str> {
    let quote = value.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    value[1..].split_once(quote).map(|(inner, _)| inner)
}

fn parse_shape(value: &str) -> Result<Vec<usize>, FormatError> {
    let inner = value.strip_prefix('(').and_then(|rest| rest.split_once(')'));
    let (inner, _) = inner.ok_or_else(|| damaged("its shape is no tuple"))?;
    let sizes = inner.split(',').map(str::trim).filter(|size| !size.is_empty());
    sizes
        .map(|size| size.parse().map_err(|_| damaged(format!("a shape of `{}`", text::name(size)))))
        .collect()
}

fn unreadable(error: &std::io::Error) -> FormatError {
    damaged(text::message(&error.to_string()))
}

fn damaged(detail: impl Into<String>) -> FormatError {
    FormatError::Damaged { expected: "a `.npy` array", detail: detail.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_numpys() {
        let bytes = encode_f64(&[2, 2], &[1.0, 2.0, 3.0, 4.0]);
        let dict = "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 2), }";
        assert_eq!(&bytes[..10], b"\x93NUMPY\x01\x00\x76\x00");
        assert_eq!(std::str::from_utf8(&bytes[10..128]).unwrap(), format!("{dict:<117}\n"));
        assert_eq!(bytes.len(), 128 + 4 * 8);
        assert!(String::from_utf8_lossy(&encode_f64(&[3], &[0.0; 3])).contains("'shape': (3,), }"));
        assert!(
            String::from_utf8_lossy(&encode_i64(7))
                .contains("'descr': '<i8', 'fortran_order': False, 'shape': (), }")
        );
    }

    #[test]
    fn fortran_order_and_narrow_types_are_read() {
        let mut bytes = header("<f4", &[2, 3]);
        let at = bytes.windows(5).position(|w| w == b"False").unwrap();
        bytes[at..at + 5].copy_from_slice(b"True ");
        bytes.extend([1.0_f32, 4.0, 2.0, 5.0, 3.0, 6.0].iter().flat_map(|x| x.to_le_bytes()));
        let array = decode(&mut &bytes[..], 100).unwrap();
        assert_eq!(array, Array { shape: vec![2, 3], values: vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0] });
    }

    #[test]
    fn every_cut_is_one_clear_line() {
        let whole = encode_f64(&[2, 2], &[1.0, 2.0, 3.0, 4.0]);
        for length in 0..whole.len() {
            let error = decode(&mut &whole[..length], 100).unwrap_err().to_string();
            assert!(error.starts_with("damaged or not a `.npy` array: ") && !error.contains('\n'), "{error}");
        }
        let longer: Vec<u8> = whole.iter().copied().chain([0]).collect();
        assert!(decode(&mut &longer[..], 100).is_err());
        assert!(matches!(decode(&mut &whole[..], 3), Err(FormatError::TooLarge { value: 4, .. })));
    }
}
