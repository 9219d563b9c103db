//! Pickles that want something run, or everything there is.

#[path = "../../../tests/src/published/mod.rs"]
#[allow(dead_code, unused_imports)]
mod published;

use bytes::Bytes;
use fidelis_formats::{
    Array, Dtype, net,
    pickle::{Pickle, Problem},
    state_dict,
};
use published::{Py, call, dict, legacy, object, pickle, text};

fn read(bytes: impl Into<Bytes>) -> Result<Pickle, fidelis_formats::pickle::PickleError> {
    Pickle::whole(&bytes.into())
}

fn problem(bytes: impl Into<Bytes>) -> Problem {
    read(bytes).unwrap_err().problem
}

fn too_many(bytes: impl Into<Bytes>) -> &'static str {
    match problem(bytes) {
        Problem::TooMany { what, .. } => what,
        other => panic!("{other}"),
    }
}

/// `count` times some opcodes, between others.
fn repeated(start: &[u8], middle: &[u8], count: usize, end: &[u8]) -> Vec<u8> {
    [start, &middle.repeat(count), end].concat()
}

#[test]
fn nothing_is_called_but_what_is_known() {
    let named = |bytes: &[u8], offset| {
        let error = read(bytes.to_vec()).unwrap_err();
        assert_eq!(error.offset, offset, "{error}");
        match error.problem {
            Problem::Global(name) => name,
            other => panic!("{other}"),
        }
    };
    assert_eq!(named(b"\x80\x02cos\nsystem\nX\x02\0\0\0ls\x85R.", 2), "os.system");
    assert_eq!(named(b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x02ls\x85R.", 17), "posix.system");
    assert_eq!(named(b"cbuiltins\neval\n.", 0), "builtins.eval");
    assert_eq!(named(b"ctorch\nload\n.", 0), "torch.load");
    assert_eq!(named(b"ctorch.storage\n_load_from_bytes2\n.", 0), "torch.storage._load_from_bytes2");
    let long = format!("c{}\n\x1b[2J\n.", "a".repeat(900));
    let shown = named(long.as_bytes(), 0);
    assert!(shown.chars().count() <= 101 && !shown.contains(char::is_control), "{shown}");
    assert_eq!(named("ca\u{1b}\nb\n.".as_bytes(), 0), "a\\u{1b}.b");
    // Other ways to make an instance or to leave the file.
    for opcode in [b'i', b'o', 0x82, 0x83, 0x84, 0x92, b'P', 0x97, 0x98] {
        assert_eq!(problem([opcode, b'.'].to_vec()), Problem::Opcode(opcode));
    }
}

#[test]
fn the_whole_line_names_the_file_the_place_and_the_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("evil.pkl");
    std::fs::write(&path, b"\x80\x02cos\nsystem\nX\x02\0\0\0ls\x85R.").unwrap();
    let line = net::read(&path).unwrap_err().to_string();
    for word in ["evil.pkl", "byte `2`", "`os.system`"] {
        assert!(line.contains(word), "{line}");
    }
    assert!(!line.contains('\n'));
}

#[test]
fn counts_have_limits() {
    let million = 1_100_000;
    assert_eq!(too_many(repeated(b"", b"N", million, b".")), "values");
    assert_eq!(too_many(repeated(b"Nq\0", b"h\0", million, b".")), "values on the stack");
    assert_eq!(too_many(repeated(b"", b"(", 2000, b".")), "containers in each other");
    assert_eq!(too_many(b"Nr\xff\xff\xff\x7f.".to_vec()), "entries in the memo");
    assert_eq!(too_many(b"Np4000000000\n.".to_vec()), "entries in the memo");
    assert_eq!(too_many(repeated(b"]Nq\x000", b"h\0a", 9_000_000, b".")), "steps");
    assert_eq!(too_many(repeated(b"", b"N0", 9_000_000, b".")), "values");
    assert_eq!(too_many(b"\x8b\xff\xff\xff\x7f.".to_vec()), "bytes in a number");
    assert_eq!(too_many(repeated(b"c", b"a", 2000, b"\nb\n.")), "bytes on a line");
    let huge = [b"X\x01\0\0\x01".to_vec(), vec![b'a'; (1 << 24) + 1], b".".to_vec()].concat();
    assert_eq!(too_many(huge), "bytes in a text");
}

#[test]
fn lengths_that_the_file_does_not_have_are_refused_at_once() {
    for start in [&b"B\xff\xff\xff\xff"[..], b"X\xff\xff\xff\xff", b"\x8e\xff\xff\xff\xff\xff\xff\xff\xff"] {
        assert_eq!(problem([start, b"abc."].concat()), Problem::Truncated);
    }
    assert_eq!(problem(b"\x95\xff\xff\xff\xff\xff\xff\xff\x7fN.".to_vec()), Problem::Truncated);
    assert_eq!(problem(b"".to_vec()), Problem::Truncated);
    assert_eq!(problem(b"N".to_vec()), Problem::Truncated);
}

#[test]
fn depth_without_marks_is_dropped_without_recursion() {
    // `[[[…]]]` and `((…,),)` of 300,000 levels.
    for (start, more) in [(&b"]"[..], &b"q\0]h\0a"[..]), (b")", b"\x85")] {
        let deep = read(repeated(start, more, 300_000, b".")).unwrap();
        assert!(deep.root().items().is_some());
        drop(deep);
    }
}

#[test]
fn a_list_that_holds_itself_is_read_and_is_no_state_dict() {
    let list = read(b"]q\0h\0a.".to_vec()).unwrap();
    let first = list.root().items().unwrap().next().unwrap();
    assert_eq!(first.id(), list.root().id());
    // Options that hold themselves, and options that share without end.
    let mut own = pickle(&dict([("ema", object("Precond", dict([("_init_kwargs", text("HERE"))])))]), 4);
    splice(&mut own, b"X\x04\0\0\0HERE", b"}q\x07X\x01\0\0\0ah\x07s");
    let error = net::decode(&own.into()).unwrap_err().to_string();
    assert!(error.contains("containers deeper in each other"), "{error}");
    let mut wide = b"](KKKKe"[..1].to_vec();
    for level in 0..7 {
        wide.extend([b'q', level, b'0', b']', b'(']);
        wide.extend([b'h', level].repeat(30));
        wide.push(b'e');
    }
    let shared = [b"}X\x01\0\0\0a".to_vec(), wide, b"s".to_vec()].concat();
    let mut bomb = pickle(&dict([("ema", object("Precond", dict([("_init_kwargs", text("HERE"))])))]), 4);
    splice(&mut bomb, b"X\x04\0\0\0HERE", &shared);
    let error = net::decode(&bomb.into()).unwrap_err().to_string();
    assert!(error.contains("more than options can be") || error.contains("deeper"), "{error}");
}

#[test]
fn options_lie_eight_deep_and_no_deeper() {
    let refused = |num_lists| {
        let lists = (0..num_lists).fold(Py::Int(7), |inner, _| Py::List(vec![inner]));
        let state = dict([("_init_kwargs", dict([("a", lists)]))]);
        let bytes = pickle(&dict([("ema", object("Precond", state))]), 4);
        net::decode(&bytes.into()).unwrap_err().to_string()
    };
    // The dict and the number count as well.
    assert!(refused(7).contains("containers deeper in each other"), "{}", refused(7));
    assert!(refused(6).contains("unknown field `a`"), "{}", refused(6));
}

fn splice(bytes: &mut Vec<u8>, from: &[u8], to: &[u8]) {
    let at = bytes.windows(from.len()).position(|w| w == from).unwrap();
    bytes.splice(at..at + from.len(), to.iter().copied());
}

#[test]
fn modules_that_hold_themselves_or_each_other_twice_are_refused() {
    let kwargs = ["img_resolution", "img_channels", "label_dim", "model_channels"].map(|k| (k, Py::Int(64)));
    let net = |modules: &[u8]| {
        let state = dict([("_init_kwargs", dict(kwargs.clone())), ("_modules", text("HERE"))]);
        let mut bytes = pickle(&dict([("ema", object("Precond", state))]), 4);
        splice(&mut bytes, b"X\x04\0\0\0HERE", modules);
        net::decode(&bytes.into()).unwrap_err().to_string()
    };
    let module = b"\x8c\x1atorch.nn.modules.container\x8c\x0aModuleDict\x93)\x81q\x09";
    let twice = [&b"}(X\x01\0\0\0a"[..], module, b"}bX\x01\0\0\0bh\x09u"].concat();
    assert!(net(&twice).contains("there twice or lies in itself"), "{}", net(&twice));
    let own = [&b"}X\x01\0\0\0a"[..], module, b"}X\x08\0\0\0_modules}X\x01\0\0\0ah\x09ssbs"].concat();
    assert!(net(&own).contains("there twice or lies in itself"), "{}", net(&own));
}

#[test]
fn storages_are_as_large_as_the_file_that_holds_them() {
    let id = |key: Py, count| {
        let id = vec![text("storage"), Py::Global("torch", "FloatStorage"), key, text("cpu"), Py::Int(count)];
        Py::Persistent(Box::new(Py::Tuple(id)))
    };
    let view = |storage| published::tensor(storage, 0, &[1_000_000], &[1_000_000]);
    let huge = dict([("x", view(id(text("0"), 1_000_000_000_000)))]);
    let array = Array { dtype: Dtype::F32, shape: vec![1], bytes: Bytes::from_static(&[0; 4]) };
    for bytes in [
        legacy(&huge, &[("0".to_owned(), array.clone())].into()),
        published::zip(&huge, &[("0".to_owned(), array)].into()),
    ] {
        assert!(state_dict::decode(&bytes.into()).is_err());
    }
    for count in [-1, 1] {
        assert!(read(pickle(&id(Py::Int(0), count), 2)).is_err());
    }
    let nested = call("torch.storage", "_load_from_bytes", vec![Py::Bytes(vec![])]);
    let nested = legacy(&nested, &Default::default());
    let outer = pickle(&call("torch.storage", "_load_from_bytes", vec![Py::Bytes(nested)]), 4);
    let line = read(outer).unwrap_err().to_string();
    assert!(
        line.contains("in the bytes of a storage") && line.contains("a storage inside a storage"),
        "{line}"
    );
}

#[test]
fn a_legacy_storage_has_the_length_that_pickle_and_file_say() {
    let refused = |pickled: i64, stored: i64| {
        let id = vec![text("storage"), Py::Global("torch", "FloatStorage"), text("0"), text("cpu")];
        let id = Py::Tuple([id, vec![Py::Int(pickled)]].concat());
        let view = published::tensor(Py::Persistent(Box::new(id)), 0, &[1], &[1]);
        let array = Array { dtype: Dtype::F32, shape: vec![1], bytes: Bytes::from_static(&[7; 4]) };
        let mut bytes = legacy(&dict([("x", view)]), &[("0".to_owned(), array)].into());
        let at = bytes.len() - 12;
        bytes[at..at + 8].copy_from_slice(&stored.to_le_bytes());
        state_dict::decode(&bytes.into()).map(drop).map_err(|error| error.to_string())
    };
    refused(1, 1).unwrap();
    for (pickled, stored) in [(1, 0), (1, 2), (1, -1), (2, 1)] {
        let line = refused(pickled, stored).unwrap_err();
        assert!(line.contains("another length than its pickle says"), "{line}");
    }
    for count in [2, 1 << 61, 1 << 62, i64::MAX] {
        let line = refused(count, count).unwrap_err();
        assert!(line.contains(&Problem::Truncated.to_string()), "{line}");
    }
}

#[test]
fn bytes_that_are_shared_are_read_once() {
    let array = Array { dtype: Dtype::U8, shape: vec![1], bytes: Bytes::from_static(&[7]) };
    let Py::Call(_, arguments) = published::inline_storage(&array) else { panic!("a call") };
    let mut bytes = pickle(&arguments[0], 2);
    bytes.pop();
    bytes.extend(b"q\0ctorch.storage\n_load_from_bytes\nq\x01");
    // A hundred thousand storages of the same bytes: one value.
    bytes.extend(b"0h\x01h\0\x85R".repeat(100_000));
    bytes.push(b'.');
    let pickle = read(bytes).unwrap();
    assert_eq!(pickle.storages().count(), 1);
}

#[test]
fn stacks_that_do_not_fit_are_named() {
    let nothing = "nothing on the stack";
    for (bytes, words) in [
        (&b"."[..], nothing),
        (b"(.", nothing),
        (b"N(s.", nothing),
        // What lies below a mark is out of reach.
        (b"N(.", nothing),
        (b"N(2.", nothing),
        (b"N(q\0.", nothing),
        (b"N(\x85.", nothing),
        (b"t.", "no mark"),
        (b"h\0.", "was not put there"),
        (b"NNa.", "no list"),
        (b"NNNs.", "no dict"),
        (b"}(Nu.", "a key without a value"),
        (b"NNb.", "a state that does not fit"),
        (b"N)R.", "a call of what is no name"),
        (b"ccollections\nOrderedDict\nNR.", "arguments that are no tuple"),
        (b"ctorch.storage\n_load_from_bytes\n)R.", "a call whose arguments"),
        (b"NQ.", "arguments that are no tuple"),
        (b"X\x01\0\0\0\xff.", "not UTF-8"),
        (b"\x80\x06N.", "a protocol above 5"),
        (b"N.N", "bytes after the end"),
        (b"Iabc\n.", "a number that is none"),
        (b"Vab\\u0041\n.", "a text with escapes"),
    ] {
        let error = read(bytes.to_vec()).unwrap_err().to_string();
        assert!(error.contains(words), "{}: {error}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn a_pop_takes_what_lies_on_top_be_it_a_mark() {
    assert!(read(b"N(0.".to_vec()).unwrap().root().is_none());
    assert_eq!(read(b"(NN0t.".to_vec()).unwrap().root().items().unwrap().len(), 1);
}

#[test]
fn the_text_protocol_is_read() {
    let pickle = read(b"(lp0\nI7\naL9L\naF1.5\naI01\naVab\np1\nag1\naS'c'\na(dNI1\nsa.".to_vec()).unwrap();
    let items: Vec<_> = pickle.root().items().unwrap().collect();
    assert_eq!((items[0].as_int(), items[1].as_int(), items[2].as_float()), (Some(7), Some(9), Some(1.5)));
    assert_eq!(
        (items[3].as_bool(), items[4].as_str(), items[5].as_str()),
        (Some(true), Some("ab"), Some("ab"))
    );
    assert_eq!((items[6].as_str(), items[7].entries().unwrap().len()), (Some("c"), 1));
    let negative = read(b"\x8a\x02\x00\xff.".to_vec()).unwrap();
    assert_eq!(negative.root().as_int(), Some(-256));
}
