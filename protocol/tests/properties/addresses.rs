// SPDX-License-Identifier: MPL-2.0

use a2al_protocol::{Aid, aid::Version};
use proptest::prelude::*;

fn aid() -> impl Strategy<Value = Aid> {
    (0xa0..=0xaf_u8, any::<[u8; 20]>()).prop_map(|(version, hash)| {
        Aid::from_bytes(&[&[version], hash.as_slice()].concat()).unwrap()
    })
}

/// Every text that must be read as `aid`.
fn forms(aid: &Aid) -> Vec<String> {
    let canonical = aid.to_string();
    let mut forms = vec![
        hex::encode(aid.as_bytes()),
        format!("\u{a0}{canonical}\r\n"),
    ];
    match aid.version() {
        Version::Ethereum => {
            forms.push(format!("0x{}", hex::encode(aid.hash())));
            forms.push(canonical.replacen("0x", "0X", 1));
        }
        Version::Paralism => {
            forms.push(canonical.to_ascii_uppercase());
            let p2pkh = [&[0], aid.hash().as_slice()].concat();
            forms.push(bs58::encode(&p2pkh).with_check().into_string());
            for hrp in ["bc", "pr"].map(bech32::Hrp::parse).map(Result::unwrap) {
                forms.push(bech32::encode::<bech32::Bech32>(hrp, &p2pkh).unwrap());
                forms.push(bech32::encode::<bech32::Bech32m>(hrp, &p2pkh).unwrap());
            }
        }
        _ => {}
    }
    forms.push(canonical);
    forms
}

proptest! {
    #[test]
    fn every_text_form_is_read_back(aid in aid()) {
        for form in forms(&aid) {
            prop_assert_eq!(form.parse(), Ok(aid), "{}", form);
        }
        prop_assert_eq!(Aid::from_bytes(aid.as_bytes()), Ok(aid));
    }

    #[test]
    fn one_letter_in_the_wrong_case_is_noticed(aid in aid(), place: prop::sample::Index) {
        let mut text = aid.to_string().into_bytes();
        let letters: Vec<_> = (2..text.len()).filter(|at| text[*at].is_ascii_alphabetic()).collect();
        prop_assume!(!letters.is_empty());
        let at = *place.get(&letters);
        text[at] ^= b'a' ^ b'A';
        let text = String::from_utf8(text).unwrap();
        // A text that is lowercase throughout has no checksum to be wrong.
        prop_assume!(text != text.to_ascii_lowercase());
        prop_assert!(text.parse::<Aid>().is_err(), "{}", text);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,100}") {
        if let Ok(aid) = text.parse::<Aid>() {
            prop_assert_eq!(aid.to_string().parse(), Ok(aid));
        }
    }

    #[test]
    fn nearly_right_texts_are_read_or_refused(
        text in "(0x|0X|bc1|pr1|BC1|1|a0|A3)[0-9a-zA-Z\u{e9}]{0,90}",
    ) {
        if let Ok(aid) = text.parse::<Aid>() {
            prop_assert_eq!(aid.to_string().parse(), Ok(aid));
        }
    }
}
