//! A configuration as bytes: what is inside the seal.
//!
//! Version 1; numbers and fields as in `fields.rs`, texts are UTF-8:
//!
//! ```text
//! 01
//! refresh      00 | 01, number of seconds
//! directory    00 | 01, field
//! arguments    count, then each: field
//! environment  count, then each: field name, field value
//! files        count, then each: field path, number mode, field content
//! ```
//!
//! Nothing may follow. Names of the environment are not empty, hold neither `=` nor NUL, and differ.

use std::collections::BTreeSet;

use casque_types::{Configuration, ConfigurationFile, FileMode, Seconds, Secret};
use zeroize::Zeroizing;

use crate::fields::{FieldReader, FieldWriter, NUMBER_BYTES, field_bytes};

/// The configuration in a buffer of exactly its size, with room for `more_bytes` after it.
pub(crate) fn write_configuration(
    configuration: &Configuration,
    more_bytes: usize,
) -> Zeroizing<Vec<u8>> {
    let size = configuration_bytes(configuration).saturating_add(more_bytes);
    let mut writer = FieldWriter::with_capacity(size);
    writer.byte(VERSION);
    match configuration.refresh_after {
        None => writer.byte(ABSENT),
        Some(Seconds(seconds)) => {
            writer.byte(PRESENT);
            writer.number(seconds);
        }
    }
    match &configuration.directory {
        None => writer.byte(ABSENT),
        Some(directory) => {
            writer.byte(PRESENT);
            writer.field(directory.as_bytes());
        }
    }
    // Each value below is exposed to be copied into the wiped buffer that is sealed.
    writer.count(configuration.arguments.len());
    for argument in &configuration.arguments {
        writer.field(argument.expose());
    }
    writer.count(configuration.environment.len());
    for (name, value) in &configuration.environment {
        writer.field(name.as_bytes());
        writer.field(value.expose());
    }
    writer.count(configuration.files.len());
    for file in &configuration.files {
        writer.field(file.path.as_bytes());
        writer.number(u64::from(file.mode.bits()));
        writer.field(file.content.expose());
    }
    writer.finish()
}

/// Reads [`write_configuration`] back; `None` when the bytes are no such thing.
pub(crate) fn read_configuration(bytes: &[u8]) -> Option<Configuration> {
    let mut reader = FieldReader::new(bytes);
    if reader.byte()? != VERSION {
        return None;
    }
    let configuration = Configuration {
        refresh_after: read_optional(&mut reader, |reader| reader.number().map(Seconds))?,
        directory: read_optional(&mut reader, read_text)?,
        arguments: read_list(&mut reader, read_secret)?,
        environment: read_list(&mut reader, read_variable)?,
        files: read_list(&mut reader, read_file)?,
    };
    (reader.is_at_end() && names_differ(&configuration)).then_some(configuration)
}

/// How many bytes [`write_configuration`] writes.
pub(crate) fn configuration_bytes(configuration: &Configuration) -> usize {
    let arguments = configuration
        .arguments
        .iter()
        .map(|one| field_bytes(one.len()));
    let environment = configuration
        .environment
        .iter()
        .map(|(name, value)| field_bytes(name.len()).saturating_add(field_bytes(value.len())));
    let files = configuration.files.iter().map(|file| {
        field_bytes(file.path.len())
            .saturating_add(NUMBER_BYTES)
            .saturating_add(field_bytes(file.content.len()))
    });
    let directory = configuration.directory.as_ref();
    let around = field_bytes(directory.map_or(0, String::len)).saturating_add(AROUND_BYTES);
    arguments
        .chain(environment)
        .chain(files)
        .fold(around, usize::saturating_add)
}

fn read_optional<'a, T>(
    reader: &mut FieldReader<'a>,
    read: impl FnOnce(&mut FieldReader<'a>) -> Option<T>,
) -> Option<Option<T>> {
    match reader.byte()? {
        ABSENT => Some(None),
        PRESENT => read(reader).map(Some),
        _ => None,
    }
}

fn read_list<'a, T>(
    reader: &mut FieldReader<'a>,
    read: impl Fn(&mut FieldReader<'a>) -> Option<T>,
) -> Option<Vec<T>> {
    let count = reader.count(NUMBER_BYTES)?;
    // Grows as items are read, so that a count alone allocates nothing.
    let mut items = Vec::new();
    for _ in 0..count {
        items.push(read(reader)?);
    }
    Some(items)
}

fn read_text(reader: &mut FieldReader<'_>) -> Option<String> {
    String::from_utf8(reader.field()?.to_vec()).ok()
}

fn read_secret(reader: &mut FieldReader<'_>) -> Option<Secret> {
    reader.field().map(Secret::copied_from)
}

fn read_variable(reader: &mut FieldReader<'_>) -> Option<(String, Secret)> {
    let name = read_text(reader)?;
    if name.is_empty() || name.contains(['=', '\0']) {
        return None;
    }
    Some((name, read_secret(reader)?))
}

fn read_file(reader: &mut FieldReader<'_>) -> Option<ConfigurationFile> {
    Some(ConfigurationFile {
        path: read_text(reader)?,
        mode: FileMode::from_bits(u32::try_from(reader.number()?).ok()?)?,
        content: read_secret(reader)?,
    })
}

fn names_differ(configuration: &Configuration) -> bool {
    let mut names = BTreeSet::new();
    configuration
        .environment
        .iter()
        .all(|(name, _)| names.insert(name))
}

const VERSION: u8 = 1;
const ABSENT: u8 = 0;
const PRESENT: u8 = 1;
/// Version, two marks, seconds, three counts.
const AROUND_BYTES: usize = 3 + 4 * NUMBER_BYTES;

#[cfg(test)]
mod tests;
