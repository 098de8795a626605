// SPDX-License-Identifier: MPL-2.0
//! Headers that are about one connection, and so end with it.

use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};

/// Headers that speak about one connection, and the one that a client of ours has been answered
/// already.
const HOP_BY_HOP: [HeaderName; 8] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::EXPECT,
];

/// Takes out what is not for the other end: the fixed list and whatever `Connection` names.
pub(super) fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = listed(headers, &header::CONNECTION)
        .filter_map(|name| name.parse().ok())
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

/// The elements of a header that is a list.
fn listed<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).into_iter();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}

/// Takes out the same, but hands on what both connections can do: trailers, and a change of
/// protocol where `may_upgrade`.
pub(super) fn hand_on(headers: &mut HeaderMap, may_upgrade: bool) {
    let has_upgrade =
        listed(headers, &header::CONNECTION).any(|name| name.eq_ignore_ascii_case("upgrade"));
    let upgrade = headers.get(header::UPGRADE).cloned();
    let upgrade = upgrade.filter(|_| may_upgrade && has_upgrade);
    let takes_trailers =
        listed(headers, &header::TE).any(|coding| coding.eq_ignore_ascii_case("trailers"));
    let trailers: Vec<HeaderValue> = headers.get_all(header::TRAILER).iter().cloned().collect();
    remove_hop_by_hop(headers);
    for trailer in trailers {
        headers.append(header::TRAILER, trailer);
    }
    if takes_trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
        headers.append(header::CONNECTION, HeaderValue::from_static("TE"));
    }
    if let Some(upgrade) = upgrade {
        headers.insert(header::UPGRADE, upgrade);
        headers.append(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(given: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for &(name, value) in given {
            headers.append(name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn only_what_both_ends_can_do_is_handed_on() {
        let given = [
            ("connection", "keep-alive, Upgrade, x-mine"),
            ("x-mine", "1"),
            ("upgrade", "websocket"),
            ("te", "gzip, trailers"),
            ("trailer", "x-sum"),
            ("transfer-encoding", "chunked"),
            ("proxy-connection", "x"),
            ("x-kept", "1"),
        ];
        let mut with = headers(&given);
        hand_on(&mut with, true);
        let expected = headers(&[
            ("x-kept", "1"),
            ("trailer", "x-sum"),
            ("te", "trailers"),
            ("connection", "TE"),
            ("upgrade", "websocket"),
            ("connection", "Upgrade"),
        ]);
        assert_eq!(with, expected);
        let mut without = headers(&given);
        hand_on(&mut without, false);
        assert!(!without.contains_key(header::UPGRADE));
        let mut not_named = headers(&[("upgrade", "h2c")]);
        hand_on(&mut not_named, true);
        assert!(not_named.is_empty(), "an upgrade is named by Connection");
    }
}
