use super::*;
use crate::ids::Digest;

fn source(text: &str) -> Result<Address, String> {
    Address::of(&FileRef::new(text)).map_err(|error| error.to_string())
}

fn pinned(text: &str) -> Result<Address, String> {
    Address::of(&FileRef { path: text.into(), sha256: Some(Digest([7; 32])) })
        .map_err(|error| error.to_string())
}

#[test]
fn every_way_to_name_a_file() {
    for (text, path) in [
        ("nets/a.pkl", "nets/a.pkl"),
        ("/nets/a b%20c.pkl", "/nets/a b%20c.pkl"),
        ("file:nets/a.pkl", "nets/a.pkl"),
        ("file:/nets/a%20b.pkl", "/nets/a%20b.pkl"),
        ("file:///nets/a%20b.pkl", "/nets/a b.pkl"),
        ("file://localhost/nets/a.pkl", "/nets/a.pkl"),
    ] {
        assert_eq!(source(text), Ok(Address::Path(path.into())), "{text}");
    }
    let s3 = Address::S3 { bucket: "models".into(), key: "edm2/a b.pkl".into() };
    assert_eq!(source("s3://models/edm2/a b.pkl"), Ok(s3));
    for text in ["https://host/a.pkl", "http://127.0.0.1:80/a.pkl", "http://localhost/a", "http://[::1]:8/a"]
    {
        assert_eq!(source(text), Ok(Address::Http(Url::parse(text).unwrap())), "{text}");
    }
    assert!(pinned("http://mirror.example/a.pkl").is_ok());
}

#[test]
fn what_cannot_be_used_is_refused_with_the_reason() {
    for (text, words) in [
        ("ftp://host/a", "scheme `ftp` is unknown"),
        ("http://mirror.example/a.pkl", "without a pinned sha256"),
        ("http://127.0.0.1.example/a.pkl", "without a pinned sha256"),
        ("https://user:hunter2@host/a", "a user's name or password"),
        ("https://hunter2@host/a", "a user's name or password"),
        ("https://", "it is no address"),
        ("s3://models", "it names no object"),
        ("s3://models/a/../b", "`..` part"),
        ("s3://hunter2:x@models/a", "a bucket's name"),
        ("file://host/a", "names no host"),
    ] {
        let error = source(text).unwrap_err();
        assert!(error.contains(words), "{text}: {error}");
        assert!(!error.contains("hunter2") && !error.contains('\n'), "{error}");
    }
}

#[test]
fn signed_addresses_are_not_stored() {
    for text in [
        "https://b.s3.amazonaws.com/a?X-Amz-Signature=ab",
        "https://h/a?sv=1&sig=ab",
        "https://h/a?access_token=ab",
        "https://h/a?Key-Pair-Id=x",
    ] {
        let error = Address::parse(text).unwrap().check_storable().unwrap_err();
        assert!(error.contains("holds a secret") && !error.contains("ab&"), "{error}");
    }
    for text in ["https://h/a?download=1", "https://h/a", "s3://bucket/a?sig=b", "a?sig=b"] {
        assert_eq!(Address::parse(text).unwrap().check_storable(), Ok(()), "{text}");
    }
}

#[test]
fn secrets_are_not_shown() {
    for (address, text) in [
        ("https://u:p@host:1/a/b.pkl?X-Amz-Signature=x#f", "https://host:1/a/b.pkl"),
        ("https://host?sig=x", "https://host"),
        ("s3://bucket/a.pkl", "s3://bucket/a.pkl"),
        ("file:///a?b", "file:///a?b"),
        ("nets/a?b.pkl", "nets/a?b.pkl"),
    ] {
        assert_eq!(shown(address), text);
    }
}

#[test]
fn names_keep_their_extension_and_leave_no_folder() {
    for (address, name) in [
        ("https://h/edm2/net%20a-0.075.pkl?x=/etc/passwd", "net_a-0.075.pkl"),
        ("https://h/", "file"),
        ("https://h/%2e%2e%2f..", "file"),
        ("s3://bucket/x/weights.pth", "weights.pth"),
        ("/data/é.zip", "_.zip"),
    ] {
        assert_eq!(Address::parse(address).unwrap().file_name(), name, "{address}");
    }
    let long = format!("https://h/{}.safetensors", "n".repeat(500));
    let name = Address::parse(&long).unwrap().file_name();
    assert!(name.len() == 128 && name.ends_with(".safetensors"));
}

#[test]
fn urls_split_into_bucket_and_prefix() {
    let cases = [
        ("s3://bucket", "bucket", ""),
        ("s3://bucket/", "bucket", ""),
        ("s3://my.bucket-1/a/b", "my.bucket-1", "a/b/"),
        ("s3://bucket/a/", "bucket", "a/"),
    ];
    for (url, bucket, prefix) in cases {
        let location = Location { bucket: bucket.into(), prefix: prefix.into() };
        assert_eq!(Location::parse(url).unwrap(), location, "{url}");
    }
}

#[test]
fn other_urls_are_refused_with_the_reason() {
    for url in [
        "",
        "bucket/x",
        "https://bucket",
        "s3://",
        "s3:///x",
        "s3://ab",
        "s3://b ucket",
        "s3://bucket//x",
        "s3://bucket/a/../b",
        "s3://bucket/./a",
    ] {
        let error = Location::parse(url).unwrap_err();
        assert!(error.to_string().starts_with(&format!("`{url}` cannot be used")), "{error}");
    }
}

#[test]
fn urls_with_secrets_are_refused_without_them() {
    for url in
        ["s3://key:s3cret@bucket/x", "https://key:s3cret@host/bucket", "s3://bu?s3cret", "key:s3cret@x"]
    {
        let error = Location::parse(url).unwrap_err().to_string();
        assert!(!error.contains("s3cret"), "{error}");
    }
}
