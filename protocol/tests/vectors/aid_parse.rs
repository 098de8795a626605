// SPDX-License-Identifier: MPL-2.0
//! Text forms of addresses.

use a2al_protocol::Aid;

use crate::{Section, entries, flag, text};

#[test]
fn the_same_texts_are_addresses() {
    let mut section = Section::new("aid_parse", &[]);
    for entry in entries("aid_parse") {
        let parsed = text(entry, "input").parse::<Aid>();
        section.compare(
            text(entry, "name"),
            &flag(entry, "accepted"),
            &parsed.is_ok(),
        );
        if let Ok(aid) = parsed {
            assert_eq!(aid.to_string().parse(), Ok(aid));
        }
    }
    section.finish();
}
