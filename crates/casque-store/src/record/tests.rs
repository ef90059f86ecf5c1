//! Records: the vectors of `vectors/store`, and the law that no byte can be flipped.

use proptest::prelude::{any, prop_assert_eq, proptest};

use super::*;
use crate::support::{CountedRng, Vector, vectors};

fn leaked(text: &str) -> &'static str {
    Box::leak(text.to_owned().into_boxed_str())
}

fn fields(text: &str) -> Vec<Vec<u8>> {
    let field = |field: &str| match field {
        "-" => Vec::new(),
        digits => hex::decode(digits).unwrap(),
    };
    text.split(' ').map(field).collect()
}

/// What opening a vector's record gives, and what its header expects.
fn open(vector: &Vector) -> (Result<Vec<u8>, NotOpened>, Result<Vec<u8>, NotOpened>) {
    let (row, beside) = (fields(vector.text("row")), fields(vector.text("beside")));
    let row: Vec<&[u8]> = row.iter().map(Vec::as_slice).collect();
    let beside: Vec<&[u8]> = beside.iter().map(Vec::as_slice).collect();
    let place = Place {
        table: leaked(vector.text("table")),
        row: &row,
        column: leaked(vector.text("column")),
        namespace: vector.text("namespace"),
        generation: Generation(vector.text("generation").parse().unwrap()),
        beside: &beside,
    };
    let version = KeyVersion(vector.text("key version").parse().unwrap());
    let key = DataKey::new(version, &vector.array("key")).unwrap();
    let opened = key
        .open(&place, &vector.bytes("record"))
        .map(|secret| secret.expose().to_vec());
    let expected = match vector.text("expect") {
        "opens" => Ok(vector.bytes("plain")),
        "damaged" => Err(NotOpened),
        unknown => panic!("unknown header `{unknown}`"),
    };
    (opened, expected)
}

#[test]
fn record_vectors_open_only_as_sealed() {
    let mut seen = 0;
    for entry in std::fs::read_dir(vectors()).unwrap() {
        let path = entry.unwrap().path();
        let file = path.file_name().unwrap().to_str().unwrap().to_owned();
        if file.starts_with("record-") {
            let (opened, expected) = open(&Vector::read(&path));
            assert_eq!(opened, expected, "{file}");
            seen += 1;
        }
    }
    assert_eq!(seen, 21);
}

const PLACE: Place<'static> = Place {
    table: "secret_values",
    row: &[b"name", b"hash", b"secret"],
    column: "value",
    namespace: "name",
    generation: Generation(4),
    beside: &[],
};

fn key() -> DataKey {
    DataKey::new(KeyVersion(1), &[9; KEY_BYTES]).unwrap()
}

#[test]
fn record_of_equal_plaintexts_differs() {
    let rng = CountedRng::default();
    let seal = || key().seal(&PLACE, b"same", &rng).unwrap();
    assert_ne!(seal(), seal());
}

proptest! {
    #[test]
    fn record_sealed_opens_to_its_plaintext(plain: Vec<u8>) {
        let record = key().seal(&PLACE, &plain, &CountedRng::default()).unwrap();
        let opened = key().open(&PLACE, &record).unwrap();
        prop_assert_eq!(opened.expose(), plain.as_slice());
    }

    #[test]
    fn record_with_any_bit_flipped_does_not_open(plain: Vec<u8>, at: usize, bit in 0_u8..8) {
        let mut record = key().seal(&PLACE, &plain, &CountedRng::default()).unwrap();
        let at = at % record.len();
        record[at] ^= 1 << bit;
        prop_assert_eq!(key().open(&PLACE, &record).err(), Some(NotOpened));
    }

    #[test]
    fn record_of_any_bytes_does_not_open(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        prop_assert_eq!(key().open(&PLACE, &bytes).err(), Some(NotOpened));
    }
}
