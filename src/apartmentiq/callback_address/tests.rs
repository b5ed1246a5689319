//! Who signed an address, and for whom.

use super::*;
use proptest::prelude::*;
use std::os::unix::fs::PermissionsExt;

const OLD: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
const NEW: &str = "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100";

fn attempt() -> AttemptId {
    "owned-daily.20261122T183000Z.p3.a1".parse().unwrap()
}

#[test]
fn an_address_names_its_attempt_and_has_unreserved_characters_only() {
    let keys = CallbackKeys::parse(NEW).unwrap();
    let address = keys.address("https://exports.example.com/", &attempt());
    let token = address
        .strip_prefix("https://exports.example.com/cb/v1/")
        .unwrap();
    assert!(
        token
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b))
    );
    assert_eq!(keys.verify(token), Some(attempt()));
    assert_eq!(keys.verify_url(&address), Some(attempt()));
    assert_eq!(attempt_of_url(&format!("{address}?x=1")), Some(attempt()));
}

#[test]
fn older_keys_verify_and_the_newest_signs() {
    let old = CallbackKeys::parse(OLD).unwrap();
    let both = CallbackKeys::parse(&format!("{NEW}\n\n{OLD}\n")).unwrap();
    let new = CallbackKeys::parse(NEW).unwrap();
    assert_eq!(both.verify(&old.token(&attempt())), Some(attempt()));
    assert_eq!(both.token(&attempt()), new.token(&attempt()));
    assert_eq!(new.verify(&old.token(&attempt())), None);
}

#[test]
fn keys_are_exchanged_under_whoever_uses_them() {
    let used = CallbackKeys::parse(OLD).unwrap();
    let before = used.token(&attempt());
    let both = CallbackKeys::parse(&format!("{NEW}\n{OLD}")).unwrap();
    assert!(!used.are(&both) && used.are(&CallbackKeys::parse(OLD).unwrap()));
    used.exchange(&both);
    assert!(used.are(&both));
    assert_ne!(used.token(&attempt()), before, "the newest signs");
    assert_eq!(used.verify(&before), Some(attempt()), "all verify");
    used.exchange(&CallbackKeys::parse(NEW).unwrap());
    assert_eq!(used.verify(&before), None);
}

#[test]
fn a_genuine_mac_over_no_attempt_is_nobodys() {
    let keys = CallbackKeys::parse(NEW).unwrap();
    let mac = keys.ring().keys[0]
        .clone()
        .chain_update(b"hello")
        .finalize();
    let token = format!("hello.{}", encode_hex(&mac.into_bytes()[..MAC_BYTES]));
    assert_eq!(keys.verify(&token), None);
}

#[test]
fn another_installations_job_is_not_ours() {
    let theirs = CallbackKeys::parse(OLD).unwrap();
    let ours = CallbackKeys::parse(NEW).unwrap();
    let address = theirs.address("https://exports.example.com", &attempt());
    assert_eq!(ours.verify_url(&address), None);
    assert_eq!(attempt_of_url(&address), Some(attempt()));
    assert_eq!(attempt_of_url("https://example.com/webhook"), None);
}

#[test]
fn a_broken_key_file_is_refused_without_showing_it() {
    let fault = CallbackKeys::parse(&format!("{NEW}\nsecret")).unwrap_err();
    assert_eq!(fault.to_string(), "line 2 is not a key of 64 hex digits");
    assert!(matches!(CallbackKeys::parse(" \n"), Err(KeyError::Empty)));
}

#[test]
fn a_key_file_is_made_once_and_private() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("callback.key");
    let first = CallbackKeys::load_or_create(&path).unwrap();
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let second = CallbackKeys::load_or_create(&path).unwrap();
    assert_eq!(second.verify(&first.token(&attempt())), Some(attempt()));
    assert_eq!(format!("{first:?}"), "CallbackKeys(1 redacted)");
    // The first one was made now, so that what an older key signed is known by its form only.
    let lost = CallbackKeys::parse(OLD).unwrap();
    let url = lost.address("https://e.example/x", &attempt());
    assert_eq!(
        first.resembles("https://e.example/x/", &url),
        Some(attempt())
    );
    assert_eq!(first.resembles("https://other.example", &url), None);
    assert_eq!(second.resembles("https://e.example/x", &url), None);
}

#[test]
fn no_mac_survives_in_a_message() {
    let keys = CallbackKeys::parse(NEW).unwrap();
    let address = keys.address("https://e.example", &attempt());
    let mac = &address[address.len() - 32..];
    let clean = without_mac(&format!("`{address}` refused, {address}?x"));
    assert!(!clean.contains(mac), "{clean}");
    assert_eq!(clean.matches("owned-daily").count(), 2);
    assert_eq!(without_mac("nothing here"), "nothing here");
    assert_eq!(without_mac("/cb/v1/"), "/cb/v1/…");
}

proptest! {
    #[test]
    fn any_changed_byte_is_a_forgery(at in 0usize..67, byte in 0u8..128) {
        let keys = CallbackKeys::parse(&format!("{NEW}\n{OLD}")).unwrap();
        let genuine = keys.token(&attempt());
        let mut token = genuine.clone().into_bytes();
        let at = at % token.len();
        prop_assume!(token[at] != byte);
        token[at] = byte;
        let token = String::from_utf8(token).unwrap();
        prop_assert_eq!(keys.verify(&token), None);
    }

    #[test]
    fn any_other_text_is_a_forgery(token in "\\PC{0,240}") {
        let keys = CallbackKeys::parse(NEW).unwrap();
        prop_assert_eq!(keys.verify(&token), None);
    }
}
