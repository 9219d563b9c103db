//! Pickles of plain data: dicts, texts, integers and float64 arrays, which every Python and NumPy reads.

use super::opcode as op;

/// A pickle of protocol 4 in the making. Values follow each other; in a dict, each key is followed by its value.
#[derive(Debug)]
pub struct Writer(Vec<u8>);

impl Default for Writer {
    fn default() -> Self {
        Self::new()
    }
}

impl Writer {
    pub fn new() -> Self {
        Self(vec![op::PROTO, 4])
    }

    /// The whole pickle, after its one value.
    pub fn finish(mut self) -> Vec<u8> {
        self.0.push(op::STOP);
        self.0
    }

    /// A dict of what `fill` writes.
    pub fn dict(&mut self, fill: impl FnOnce(&mut Self)) {
        self.0.extend([op::EMPTY_DICT, op::MARK]);
        fill(self);
        self.0.push(op::SETITEMS);
    }

    pub fn text(&mut self, text: &str) {
        self.0.push(op::BINUNICODE8);
        self.sized(text.as_bytes());
    }

    pub fn int(&mut self, value: i64) {
        match i32::try_from(value) {
            Ok(short) => {
                self.0.push(op::BININT);
                self.0.extend(short.to_le_bytes());
            }
            Err(_) => {
                self.0.extend([op::LONG1, 8]);
                self.0.extend(value.to_le_bytes());
            }
        }
    }

    /// A row-major float64 array, under the names that NumPy 1 and 2 both know.
    pub fn array(&mut self, shape: &[usize], values: &[f64]) {
        self.name("numpy.core.multiarray", "_reconstruct");
        self.name("numpy", "ndarray");
        self.sizes(&[0]);
        self.bytes(b"b");
        self.0.extend([op::TUPLE3, op::REDUCE, op::MARK]);
        self.int(1);
        self.sizes(shape);
        self.dtype();
        self.0.extend([op::NEWFALSE, op::BINBYTES8]);
        self.0.extend((values.len() as u64 * 8).to_le_bytes());
        self.0.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        self.0.extend([op::TUPLE, op::BUILD]);
    }

    /// Little-endian float64.
    fn dtype(&mut self) {
        self.name("numpy", "dtype");
        self.text("f8");
        self.0.extend([op::NEWFALSE, op::NEWTRUE, op::TUPLE3, op::REDUCE, op::MARK]);
        self.int(3);
        self.text("<");
        self.0.extend([op::NONE; 3]);
        [-1, -1, 0].into_iter().for_each(|value| self.int(value));
        self.0.extend([op::TUPLE, op::BUILD]);
    }

    fn sizes(&mut self, sizes: &[usize]) {
        self.0.push(op::MARK);
        sizes.iter().for_each(|&size| self.int(size as i64));
        self.0.push(op::TUPLE);
    }

    fn name(&mut self, module: &str, name: &str) {
        self.text(module);
        self.text(name);
        self.0.push(op::STACK_GLOBAL);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.0.push(op::BINBYTES8);
        self.sized(bytes);
    }

    fn sized(&mut self, bytes: &[u8]) {
        self.0.extend((bytes.len() as u64).to_le_bytes());
        self.0.extend(bytes);
    }
}
