// SPDX-License-Identifier: MPL-2.0

use a2al_protocol::{
    Endpoint, NatType, Profile, Topic,
    record::meta::{Meta, Value},
};
use proptest::{
    collection::{btree_map, vec},
    option,
    prelude::*,
};

fn text() -> impl Strategy<Value = String> {
    "\\PC{0,12}"
}

fn texts() -> impl Strategy<Value = Vec<String>> {
    vec(text(), 0..4)
}

fn meta() -> impl Strategy<Value = Meta> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(|number| Value::Integer(number.into())),
        any::<u64>().prop_map(|number| Value::Integer(number.into())),
        any::<f64>()
            .prop_filter("not equal to itself", |float| !float.is_nan())
            .prop_map(Value::Float),
        any::<f32>()
            .prop_filter("not equal to itself", |float| !float.is_nan())
            .prop_map(|float| Value::Float(float.into())),
        any::<i16>().prop_map(|number| Value::Float(number.into())),
        vec(any::<u8>(), 0..8).prop_map(Value::Bytes),
        text().prop_map(Value::Text),
    ];
    let value = leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::Array),
            btree_map(text(), inner, 0..3).prop_map(Value::Map),
        ]
    });
    btree_map(text(), value, 0..4)
}

fn endpoint() -> impl Strategy<Value = Endpoint> {
    let nat = prop::sample::select(vec![
        NatType::Unknown,
        NatType::Public,
        NatType::Restricted,
        NatType::PortRestricted,
        NatType::Symmetric,
    ]);
    (texts(), nat).prop_map(|(addresses, nat)| Endpoint { addresses, nat })
}

fn profile() -> impl Strategy<Value = Profile> {
    let fields = (
        text(),
        text(),
        texts(),
        texts(),
        any::<Option<[u8; 32]>>(),
        texts(),
        meta(),
    );
    fields.prop_map(
        |(name, brief, protocols, skills, card_hash, modalities, meta)| Profile {
            name,
            brief,
            protocols,
            skills,
            card_hash,
            modalities,
            meta,
        },
    )
}

fn topic() -> impl Strategy<Value = Topic> {
    let fields = (
        "\\PC{1,20}",
        text(),
        option::of(texts()),
        option::of(texts()),
        text(),
        meta(),
    );
    fields.prop_map(|(topic, name, protocols, tags, brief, meta)| Topic {
        name,
        protocols,
        tags,
        brief,
        meta,
        ..Topic::new(topic)
    })
}

proptest! {
    #[test]
    fn endpoints_are_read_back(endpoint in endpoint()) {
        prop_assert_eq!(Endpoint::decode(&endpoint.encode().unwrap()), Ok(endpoint));
    }

    #[test]
    fn profiles_are_read_back(profile in profile()) {
        // What is too long to encode is no payload.
        if let Ok(payload) = profile.encode() {
            prop_assert_eq!(Profile::decode(&payload), Ok(profile));
        }
    }

    #[test]
    fn topics_are_read_back(topic in topic()) {
        if let Ok(payload) = topic.encode() {
            prop_assert_eq!(Topic::decode(&payload), Ok(topic));
        }
    }
}
