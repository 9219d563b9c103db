//! Checkpoints as published: a pickle of a dict of `ema` (the net), `encoder`, `dataset_kwargs` and `loss_fn`.

use bytes::Bytes;
use serde_json::{Map, Number, Value as Json};

use super::walk::Walk;
use super::{Encoder, NetConfig, NetFile, Whitening, checked, damaged};
use crate::pickle::{Pickle, Value};
use crate::{FormatError, text};

/// Deeper or larger options than these are no options.
const MAX_JSON_DEPTH: usize = 8;
const MAX_JSON_VALUES: usize = 10_000;

pub fn decode(bytes: &Bytes) -> Result<NetFile, FormatError> {
    let pickle = Pickle::whole(bytes)?;
    let root = pickle.root();
    let entries = root.entries().ok_or_else(|| damaged(format!("it is {}, no dict", root.kind())))?;
    let (mut ema, mut encoder, mut dataset_kwargs) = (None, None, None);
    for (key, value) in entries {
        match key.as_str() {
            Some("ema") => ema = Some(value),
            Some("encoder") => encoder = Some(value),
            Some("dataset_kwargs") => dataset_kwargs = Some(value),
            // What it was trained with does not matter to a net that is done.
            Some("loss_fn") => {}
            Some(other) => {
                let what = format!("`{}`, which no published net has beside `ema`", text::name(other));
                return Err(FormatError::Unknown(what));
            }
            None => return Err(damaged(format!("a key that is {}", key.kind()))),
        }
    }
    let hint = "a published checkpoint keeps its net under that name; a state dict is none";
    let ema = ema.ok_or(FormatError::Missing { name: "ema", hint })?;
    let config = config(ema, encoder)?;
    let tensors = Walk::new(bytes.len()).tensors(ema)?;
    let dataset_kwargs =
        dataset_kwargs.filter(|kwargs| !kwargs.is_none()).map(|kwargs| options("dataset_kwargs", kwargs));
    Ok(NetFile { config, tensors, dataset_kwargs: dataset_kwargs.transpose()? })
}

/// The arguments that the net was made with; what is missing has the published defaults.
fn config(ema: Value<'_>, encoder: Option<Value<'_>>) -> Result<NetConfig, FormatError> {
    let state = match ema.as_object() {
        Some(("Precond", state)) => state,
        Some((class, _)) => return Err(damaged(format!("`ema` is a `{}`, no `Precond`", text::name(class)))),
        None => return Err(damaged(format!("`ema` is {}, no `Precond`", ema.kind()))),
    };
    let kwargs =
        state.get("_init_kwargs").ok_or_else(|| damaged("`ema` has no `_init_kwargs`".to_owned()))?;
    let mut kwargs = options("_init_kwargs", kwargs)?;
    positional(state, &mut kwargs)?;
    // Ours, not the constructor's.
    if let Some(name) = ["encoder", "whitening"].iter().find(|name| kwargs.contains_key(**name)) {
        return Err(FormatError::Unknown(format!("the net's option `{name}`")));
    }
    let mut config = checked(serde_json::from_value(Json::Object(kwargs)))?;
    if let Some(encoder) = encoder.filter(|encoder| !encoder.is_none()) {
        (config.encoder, config.whitening) = encoder_of(encoder)?;
        config.check().map_err(|error| damaged(error.to_string()))?;
    }
    Ok(config)
}

/// The constructor's own arguments, in its order; what the U-Net takes has no position.
const POSITIONS: [&str; 6] =
    ["img_resolution", "img_channels", "label_dim", "use_fp16", "sigma_data", "logvar_channels"];

/// Adds the arguments that were given by position.
fn positional(state: Value<'_>, kwargs: &mut Map<String, Json>) -> Result<(), FormatError> {
    let Some(given) = state.get("_init_args").and_then(Value::items) else { return Ok(()) };
    if given.len() > POSITIONS.len() {
        let what = format!("`{}` arguments of the net's constructor without names", given.len());
        return Err(FormatError::Unknown(what));
    }
    for (name, value) in POSITIONS.into_iter().zip(given) {
        let mut left = MAX_JSON_VALUES;
        let value = json(value, MAX_JSON_DEPTH, &mut left);
        let value =
            value.map_err(|detail| damaged(format!("`{name}`, given by position, holds {detail}")))?;
        if kwargs.insert(name.to_owned(), value).is_some() {
            return Err(damaged(format!("`{name}` is given by position and by name")));
        }
    }
    Ok(())
}

fn encoder_of(encoder: Value<'_>) -> Result<(Option<Encoder>, Option<Whitening>), FormatError> {
    match encoder.as_object() {
        Some(("StandardRGBEncoder", _)) => Ok((Some(Encoder::Rgb), None)),
        Some(("StabilityVAEEncoder", state)) => Ok((Some(Encoder::StabilityVae), whitening(state)?)),
        Some((class, _)) => Err(FormatError::Unknown(format!("the encoder `{}`", text::name(class)))),
        None => Err(damaged(format!("`encoder` is {}", encoder.kind()))),
    }
}

/// `scale` and `bias` as they act, or the moments that they were made from.
fn whitening(state: Value<'_>) -> Result<Option<Whitening>, FormatError> {
    let numbers = |name| match state.get(name).or_else(|| state.get("_init_kwargs")?.get(name)) {
        Some(value) => numbers(value)
            .map(Some)
            .ok_or_else(|| damaged(format!("the encoder's `{name}` is no list of numbers"))),
        None => Ok(None),
    };
    if let (Some(scale), Some(bias)) = (numbers("scale")?, numbers("bias")?) {
        return Ok(Some(Whitening { scale, bias }));
    }
    let (Some(mean), Some(std)) = (numbers("raw_mean")?, numbers("raw_std")?) else { return Ok(None) };
    let target = |name, default: f64| {
        Ok::<_, FormatError>(numbers(name)?.and_then(|n| n.first().copied()).unwrap_or(default))
    };
    Ok(Some(Whitening::from_moments(&mean, &std, (target("final_mean", 0.0)?, target("final_std", 0.5)?))))
}

/// A number, a list of them or an array, of a few channels.
fn numbers(value: Value<'_>) -> Option<Vec<f64>> {
    const MAX_CHANNELS: usize = 64;
    let number = |value: Value<'_>| value.as_float().or_else(|| value.as_int().map(|n| n as f64));
    if let Some(array) = value.as_array() {
        let few = array.num_elements() <= MAX_CHANNELS;
        return if few { array.to_f64() } else { None };
    }
    match value.items() {
        Some(items) if items.len() <= MAX_CHANNELS => items.map(number).collect(),
        Some(_) => None,
        None => number(value).map(|n| vec![n]),
    }
}

/// A dict of plain options.
fn options(name: &str, value: Value<'_>) -> Result<Map<String, Json>, FormatError> {
    let mut left = MAX_JSON_VALUES;
    match json(value, MAX_JSON_DEPTH, &mut left) {
        Ok(Json::Object(map)) => Ok(map),
        Ok(_) => Err(damaged(format!("`{name}` is {}, no dict", value.kind()))),
        Err(detail) => Err(damaged(format!("`{name}` holds {detail}"))),
    }
}

/// Recurses no deeper than `depth`, and visits no more than `left` values: what is shared would multiply.
fn json(value: Value<'_>, depth: usize, left: &mut usize) -> Result<Json, String> {
    *left = left.checked_sub(1).ok_or("more than options can be")?;
    let inner = depth.checked_sub(1).ok_or("containers deeper in each other than options are")?;
    if value.is_none() {
        return Ok(Json::Null);
    }
    if let Some(value) = value.as_bool() {
        return Ok(Json::Bool(value));
    }
    if let Some(value) = value.as_int() {
        return Ok(value.into());
    }
    if let Some(value) = value.as_float() {
        return Number::from_f64(value).map(Json::Number).ok_or_else(|| format!("the number {value}"));
    }
    if let Some(value) = value.as_str() {
        return Ok(Json::String(value.to_owned()));
    }
    if let Some(array) = value.as_array() {
        let few = array.num_elements() <= *left;
        let numbers = if few { array.to_f64() } else { None };
        let numbers = numbers.ok_or("an array, which is no option")?;
        *left -= numbers.len();
        return Ok(numbers.into_iter().map(Json::from).collect());
    }
    if let Some(items) = value.items() {
        return items.map(|item| json(item, inner, left)).collect::<Result<_, _>>().map(Json::Array);
    }
    let entries = value.entries().ok_or_else(|| format!("{}, which is no option", value.kind()))?;
    let mut map = Map::new();
    for (key, value) in entries {
        let key = key.as_str().ok_or("a key that is no name")?;
        map.insert(text::name(key), json(value, inner, left)?);
    }
    Ok(Json::Object(map))
}
