// SPDX-License-Identifier: MPL-2.0

use super::*;

/// The fields 1 (number), 2 (bytes) and 3 (text) of a map given in hex.
fn read(hex: &str) -> Result<(u64, Option<Vec<u8>>, String), MalformedCbor> {
    let (mut number, mut bytes, mut text) = (0, None, String::new());
    read_map(&hex::decode(hex).unwrap(), |key, value| {
        match key {
            1 => number = value.uint()?,
            2 => bytes = value.bytes()?,
            3 => text = value.text()?,
            _ => value.skip()?,
        }
        Ok(())
    })?;
    Ok((number, bytes, text))
}

fn expect(number: u64, bytes: &[u8], text: &str) -> (u64, Option<Vec<u8>>, String) {
    (number, Some(bytes.to_vec()), text.to_owned())
}

#[test]
fn every_lenient_form_reads_the_same() {
    for (form, hex) in [
        ("canonical", "a3 01 07 02 42abcd 03 6161"),
        ("other order", "a3 03 6161 02 42abcd 01 07"),
        ("indefinite", "bf 01 07 02 5f 41ab 41cd ff 03 7f 6161 ff ff"),
        (
            "long integer",
            "b90003 01 1b0000000000000007 1802 42abcd 03 6161",
        ),
        (
            "unknown keys",
            "a6 0a a10a80 01 07 02 42abcd 03 6161 6178 f5 20 c100",
        ),
        ("tagged", "d9d9f7 a3 01 07 02 42abcd 03 6161"),
        ("text keys", "a3 6131 07 6132 42abcd 6133 6161"),
        ("bytes as array", "a3 01 07 02 8218ab18cd 03 6161"),
        ("repeated key", "a5 01 07 01 08 02 42abcd 03 6161 6133 6162"),
    ] {
        assert_eq!(
            read(&hex.replace(' ', "")),
            Ok(expect(7, &[0xab, 0xcd], "a")),
            "{form}"
        );
    }
}

#[test]
fn null_and_missing_are_zero() {
    let zero = Ok((0, None, String::new()));
    assert_eq!(read("a0"), zero);
    assert_eq!(read("f6"), zero);
    assert_eq!(read("a301f602f603f6"), zero);
    assert_eq!(read("a10240"), Ok((0, Some(vec![]), String::new())));
}

#[test]
fn what_does_not_fit_is_refused() {
    for (hex, error) in [
        ("", MalformedCbor::Syntax),
        ("a1", MalformedCbor::Syntax),
        ("a10107a0", MalformedCbor::TrailingBytes),
        ("a10120", MalformedCbor::Range),
        ("a101f93c00", MalformedCbor::Type),
        ("a102626162", MalformedCbor::Type),
        ("a1034161", MalformedCbor::Type),
        ("a10361ff", MalformedCbor::Syntax),
        ("a1021bffffffffffffffff", MalformedCbor::Type),
        ("a1029bffffffffffffffff01", MalformedCbor::Syntax),
        ("bbffffffffffffffff0107", MalformedCbor::Syntax),
        ("a1025bffffffffffffffff01", MalformedCbor::Syntax),
        ("a101ff", MalformedCbor::Syntax),
        ("a10281190100", MalformedCbor::Range),
    ] {
        assert_eq!(read(hex), Err(error), "{hex}");
    }
}

#[test]
fn nesting_ends_at_the_limit() {
    // The map is the first level, so seven arrays fit into it.
    assert!(read(&format!("a109{}80", "81".repeat(6))).is_ok());
    assert_eq!(
        read(&format!("a109{}80", "81".repeat(7))),
        Err(MalformedCbor::Depth)
    );
    assert_eq!(
        read(&format!("a109{}00", "c1".repeat(5000))),
        Err(MalformedCbor::Depth)
    );
}

#[test]
fn floats_take_the_shortest_width() {
    for (float, hex) in [
        (1.0, "f93c00"),
        (-3.0, "f9c200"),
        (70000.0, "fa4788b800"),
        (0.1, "fb3fb999999999999a"),
        (65504.0, "f97bff"),
        (5.960_464_477_539_063e-8, "f90001"),
        (f64::INFINITY, "f97c00"),
        (f64::NAN, "f97e00"),
        (-0.0, "f98000"),
    ] {
        let mut writer = Writer::new();
        writer.float(float);
        assert_eq!(hex::encode(writer.finish()), hex, "{float}");
    }
}
