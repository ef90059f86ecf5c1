//! Versions of policies and the values of their secrets: sealed into rows, opened out of them.

use casque_core::{PolicyRecord, VersionSummary};
use casque_types::{PolicyHash, PolicyName, Rng, Secret, SecretName, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};

use crate::error::Failure;
use crate::namespace_keys::{NamespaceKeys, namespace_of};
use crate::record::{DataKey, Generation, Place};
use crate::sql::{signed, unsigned};

/// Seals new rows.
pub(crate) struct Sealer<'a> {
    /// The current key of the policy's namespace.
    pub(crate) key: &'a DataKey,
    /// The generation of the new rows.
    pub(crate) generation: Generation,
    /// For nonces.
    pub(crate) rng: &'a dyn Rng,
}

impl Sealer<'_> {
    /// Inserts a version.
    pub(crate) fn insert_policy(
        &self,
        connection: &Connection,
        record: &PolicyRecord,
    ) -> Result<(), Failure> {
        let clear = ClearColumns::of(record);
        let text = self.key.seal(
            &policy_place(
                &record.name,
                &clear.row(&record.name),
                &clear.beside(),
                self.generation,
            ),
            record.text.expose(), // to be sealed
            self.rng,
        )?;
        connection.prepare_cached(INSERT_POLICY)?.execute(params![
            record.name.as_str(),
            record.hash.as_bytes(),
            record.predecessor.as_ref().map(PolicyHash::as_bytes),
            record.creator.as_bytes(),
            signed(record.created.as_unix_s())?,
            signed(self.generation.0)?,
            text,
        ])?;
        Ok(())
    }

    /// Inserts the value of one of its secrets.
    pub(crate) fn insert_value(
        &self,
        connection: &Connection,
        record: &PolicyRecord,
        secret: &SecretName,
        value: &Secret,
    ) -> Result<(), Failure> {
        let row = value_row(&record.name, &record.hash, secret);
        let sealed = self.key.seal(
            &value_place(&record.name, &row, self.generation),
            value.expose(), // to be sealed
            self.rng,
        )?;
        connection.prepare_cached(INSERT_VALUE)?.execute(params![
            record.name.as_str(),
            record.hash.as_bytes(),
            secret.as_str(),
            signed(self.generation.0)?,
            sealed,
        ])?;
        Ok(())
    }
}

/// One version of a policy, if it is there.
pub(crate) fn load_policy(
    connection: &Connection,
    keys: &NamespaceKeys,
    name: &PolicyName,
    hash: &PolicyHash,
) -> Result<Option<PolicyRecord>, Failure> {
    let found = load_generation(connection, keys, name, hash)?;
    Ok(found.map(|(_, record)| record))
}

/// All versions of a policy from the first to `head`. Each record is opened, since it vouches for its predecessor and
/// its time; one text at a time is in memory.
pub(crate) fn load_history(
    connection: &Connection,
    keys: &NamespaceKeys,
    name: &PolicyName,
    head: &PolicyHash,
) -> Result<Vec<VersionSummary>, Failure> {
    let mut versions = Vec::new();
    let (mut next, mut later) = (Some(*head), Generation(u64::MAX));
    while let Some(hash) = next {
        let found = load_generation(connection, keys, name, &hash)?;
        // Generations fall on the way back, so that it has an end whatever the database holds.
        let Some((generation, record)) = found.filter(|(earlier, _)| *earlier < later) else {
            let record = format!("policies {name} {hash}");
            return Err(Failure::Damaged { record });
        };
        versions.push(VersionSummary {
            hash,
            predecessor: record.predecessor,
            created: record.created,
        });
        (next, later) = (record.predecessor, generation);
    }
    versions.reverse();
    Ok(versions)
}

fn load_generation(
    connection: &Connection,
    keys: &NamespaceKeys,
    name: &PolicyName,
    hash: &PolicyHash,
) -> Result<Option<(Generation, PolicyRecord)>, Failure> {
    let record_name = || format!("policies {name} {hash}");
    let row = connection
        .prepare_cached(SELECT_POLICY)?
        .query_row(params![name.as_str(), hash.as_bytes()], |row| {
            let clear = ClearColumns {
                hash: *hash.as_bytes(),
                predecessor: row.get(0)?,
                creator: row.get(1)?,
                created: unsigned(row, 2)?.to_be_bytes(),
            };
            let generation = Generation(unsigned(row, 3)?);
            Ok((clear, generation, row.get::<_, Vec<u8>>(4)?))
        })
        .optional()
        .map_err(|error| Failure::of_read(error, record_name))?;
    let Some((clear, generation, sealed)) = row else {
        return Ok(None);
    };
    let (row, beside) = (clear.row(name), clear.beside());
    let place = policy_place(name, &row, &beside, generation);
    let text = keys.open(connection, &place, &sealed, record_name)?;
    let record = PolicyRecord {
        name: name.clone(),
        hash: *hash,
        predecessor: clear.predecessor.map(PolicyHash::from),
        creator: clear.creator.into(),
        text,
        created: Timestamp::from_unix_s(u64::from_be_bytes(clear.created)),
    };
    Ok(Some((generation, record)))
}

/// The stored value of one secret of a version, if there is one.
pub(crate) fn load_value(
    connection: &Connection,
    keys: &NamespaceKeys,
    name: &PolicyName,
    hash: &PolicyHash,
    secret: &SecretName,
) -> Result<Option<Secret>, Failure> {
    let record_name = || format!("secret_values {name} {hash} {secret}");
    let row = connection
        .prepare_cached(SELECT_VALUE)?
        .query_row(
            params![name.as_str(), hash.as_bytes(), secret.as_str()],
            |row| Ok((Generation(unsigned(row, 0)?), row.get::<_, Vec<u8>>(1)?)),
        )
        .optional()
        .map_err(|error| Failure::of_read(error, record_name))?;
    let Some((generation, sealed)) = row else {
        return Ok(None);
    };
    let row = value_row(name, hash, secret);
    let place = value_place(name, &row, generation);
    keys.open(connection, &place, &sealed, record_name)
        .map(Some)
}

/// The columns of `policies` that are not confidential, as the record of the text vouches for them.
struct ClearColumns {
    hash: [u8; 32],
    predecessor: Option<[u8; 32]>,
    creator: [u8; 32],
    created: [u8; 8],
}

impl ClearColumns {
    fn of(record: &PolicyRecord) -> Self {
        Self {
            hash: *record.hash.as_bytes(),
            predecessor: record.predecessor.map(|hash| *hash.as_bytes()),
            creator: *record.creator.as_bytes(),
            created: record.created.as_unix_s().to_be_bytes(),
        }
    }

    fn row<'a>(&'a self, name: &'a PolicyName) -> [&'a [u8]; 2] {
        [name.as_str().as_bytes(), &self.hash]
    }

    fn beside(&self) -> [&[u8]; 3] {
        let predecessor = self
            .predecessor
            .as_ref()
            .map_or(&[][..], <[u8; 32]>::as_slice);
        [predecessor, &self.creator, &self.created]
    }
}

fn policy_place<'a>(
    name: &'a PolicyName,
    row: &'a [&'a [u8]],
    beside: &'a [&'a [u8]],
    generation: Generation,
) -> Place<'a> {
    Place {
        table: "policies",
        row,
        column: "text",
        namespace: namespace_of(name),
        generation,
        beside,
    }
}

fn value_row<'a>(
    name: &'a PolicyName,
    hash: &'a PolicyHash,
    secret: &'a SecretName,
) -> [&'a [u8]; 3] {
    [
        name.as_str().as_bytes(),
        hash.as_bytes(),
        secret.as_str().as_bytes(),
    ]
}

fn value_place<'a>(name: &'a PolicyName, row: &'a [&'a [u8]], generation: Generation) -> Place<'a> {
    Place {
        table: "secret_values",
        row,
        column: "value",
        namespace: namespace_of(name),
        generation,
        beside: &[],
    }
}

const INSERT_POLICY: &str =
    "INSERT INTO policies (name, hash, predecessor, creator, created, generation, text)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
const INSERT_VALUE: &str = "INSERT INTO secret_values (name, hash, secret, generation, value)
    VALUES (?1, ?2, ?3, ?4, ?5)";
const SELECT_POLICY: &str = "SELECT predecessor, creator, created, generation, text
    FROM policies WHERE name = ?1 AND hash = ?2";
const SELECT_VALUE: &str = "SELECT generation, value
    FROM secret_values WHERE name = ?1 AND hash = ?2 AND secret = ?3";
