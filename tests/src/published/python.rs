//! Pickles.

/// A Python value, as its pickle will have it.
#[derive(Clone, Debug)]
pub enum Py {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    Bytes(Vec<u8>),
    List(Vec<Py>),
    Tuple(Vec<Py>),
    Dict(Vec<(Py, Py)>),
    /// A name: module and name.
    Global(&'static str, &'static str),
    /// A call of a name.
    Call(Box<Py>, Vec<Py>),
    /// A new object of a class without arguments.
    New(Box<Py>),
    /// A value and the entries that are set on it.
    Filled(Box<Py>, Vec<(Py, Py)>),
    /// A value and the state that is set on it.
    Build(Box<Py>, Box<Py>),
    /// A persistent id.
    Persistent(Box<Py>),
}

/// A dict whose keys are texts.
pub fn dict<K: Into<String>>(entries: impl IntoIterator<Item = (K, Py)>) -> Py {
    Py::Dict(entries.into_iter().map(|(key, value)| (text(key), value)).collect())
}

/// A text.
pub fn text(text: impl Into<String>) -> Py {
    Py::Text(text.into())
}

/// A call of `module.name`.
pub fn call(module: &'static str, name: &'static str, arguments: Vec<Py>) -> Py {
    Py::Call(Box::new(Py::Global(module, name)), arguments)
}

/// A whole pickle. Protocol 2 writes names as torch's files have them, 4 as published nets do.
pub fn pickle(value: &Py, protocol: u8) -> Vec<u8> {
    let mut out = vec![0x80, protocol];
    write(value, protocol, &mut out);
    out.push(b'.');
    out
}

fn write(value: &Py, protocol: u8, out: &mut Vec<u8>) {
    match value {
        Py::None => out.push(b'N'),
        Py::Bool(value) => out.push(if *value { 0x88 } else { 0x89 }),
        Py::Int(value) => match u8::try_from(*value) {
            Ok(small) => out.extend([b'K', small]),
            Err(_) => {
                out.extend([0x8a, 8]);
                out.extend(value.to_le_bytes());
            }
        },
        Py::Float(value) => {
            out.push(b'G');
            out.extend(value.to_be_bytes());
        }
        Py::Text(text) => {
            out.push(b'X');
            out.extend((text.len() as u32).to_le_bytes());
            out.extend(text.as_bytes());
        }
        Py::Bytes(bytes) => {
            out.push(b'B');
            out.extend((bytes.len() as u32).to_le_bytes());
            out.extend(bytes);
        }
        Py::Global(module, name) if protocol < 4 => out.extend(format!("c{module}\n{name}\n").into_bytes()),
        Py::Global(module, name) => {
            write(&text(*module), protocol, out);
            write(&text(*name), protocol, out);
            out.push(0x93);
        }
        _ => write_compound(value, protocol, out),
    }
}

fn write_compound(value: &Py, protocol: u8, out: &mut Vec<u8>) {
    match value {
        Py::List(items) => {
            out.extend(b"](");
            items.iter().for_each(|item| write(item, protocol, out));
            out.push(b'e');
        }
        Py::Tuple(items) => {
            out.push(b'(');
            items.iter().for_each(|item| write(item, protocol, out));
            out.push(b't');
        }
        Py::Dict(entries) => {
            out.push(b'}');
            write_entries(entries, protocol, out);
        }
        Py::Filled(object, entries) => {
            write(object, protocol, out);
            write_entries(entries, protocol, out);
        }
        Py::Call(callee, arguments) => {
            write(callee, protocol, out);
            out.push(b'(');
            arguments.iter().for_each(|argument| write(argument, protocol, out));
            out.extend(b"tR");
        }
        Py::New(class) => {
            write(class, protocol, out);
            out.extend([b')', 0x81]);
        }
        Py::Build(object, state) => {
            write(object, protocol, out);
            write(state, protocol, out);
            out.push(b'b');
        }
        Py::Persistent(id) => {
            write(id, protocol, out);
            out.push(b'Q');
        }
        _ => unreachable!("written by `write`"),
    }
}

fn write_entries(entries: &[(Py, Py)], protocol: u8, out: &mut Vec<u8>) {
    out.push(b'(');
    for (key, value) in entries {
        write(key, protocol, out);
        write(value, protocol, out);
    }
    out.push(b'u');
}

/// A NumPy array of float64, under NumPy 1's names or NumPy 2's.
pub fn ndarray(module: &'static str, shape: &[usize], values: &[f64]) -> Py {
    let bytes = values.iter().flat_map(|x| x.to_le_bytes()).collect();
    let class = Py::Global("numpy", "ndarray");
    let empty =
        call(module, "_reconstruct", vec![class, Py::Tuple(vec![Py::Int(0)]), Py::Bytes(b"b".to_vec())]);
    let minus = || Py::Int(-1);
    let order = vec![Py::Int(3), text("<"), Py::None, Py::None, Py::None, minus(), minus(), Py::Int(0)];
    let dtype = call("numpy", "dtype", vec![text("f8"), Py::Bool(false), Py::Bool(true)]);
    let dtype = Py::Build(Box::new(dtype), Box::new(Py::Tuple(order)));
    let shape = Py::Tuple(shape.iter().map(|&size| Py::Int(size as i64)).collect());
    let state = vec![Py::Int(1), shape, dtype, Py::Bool(false), Py::Bytes(bytes)];
    Py::Build(Box::new(empty), Box::new(Py::Tuple(state)))
}
