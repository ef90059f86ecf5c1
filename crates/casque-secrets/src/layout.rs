//! A configuration as bytes: what is inside the seal.
//!
//! Version 2; numbers and fields as in `fields.rs`, texts are UTF-8:
//!
//! ```text
//! 02
//! refresh      00 | 01, number of seconds
//! directory    00 | 01, field
//! arguments    count, then each: count of parts, then each: 00, field | 01, number N of a host argument
//! environment  count, then each: field name, then 00, field value | 01 (the host's)
//! files        count, then each: field path, number mode, then 00, field content | 01 (a template)
//! secrets      count, then each: field name, field stored value
//! volumes      count, then each: field name, field path, field key, tag, byte policy, byte files
//! file system  00 | 01, field path, 00 | 01 field key, tag
//! proof        00 | 01, 32 bytes in a field
//!
//! tag          00 | 01, 16 bytes in a field
//! policy       00 ephemeral | 01 rollback protected | 02 no rollback protection
//! files        00 encrypted | 01 authenticated only
//! ```
//!
//! Nothing may follow. Names of the environment are not empty, hold neither `=` nor NUL, and differ; host
//! arguments count from 1.

use std::collections::BTreeSet;

use casque_types::{
    Argument, ArgumentPart, Configuration, ConfigurationFile, ConfigurationVolume, Digest,
    FileContent, FileMode, FileSystemProtection, Seconds, Secret, UpdatePolicy, VariableValue,
    VolumeFiles,
};
use zeroize::Zeroizing;

use crate::fields::{FieldReader, FieldWriter, NUMBER_BYTES, field_bytes};

/// The configuration in a buffer of exactly its size, with room for `more_bytes` after it.
pub(crate) fn write_configuration(
    configuration: &Configuration,
    more_bytes: usize,
) -> Zeroizing<Vec<u8>> {
    let size = configuration_bytes(configuration).saturating_add(more_bytes);
    let mut writer = FieldWriter::with_capacity(size);
    write(configuration, &mut writer);
    writer.finish()
}

/// Every value is exposed to be copied into the wiped buffer that is sealed.
fn write(configuration: &Configuration, out: &mut impl Sink) {
    out.byte(VERSION);
    write_optional(configuration.refresh_after.as_ref(), out, |seconds, out| {
        out.number(seconds.0);
    });
    write_optional(configuration.directory.as_ref(), out, |directory, out| {
        out.field(directory.as_bytes());
    });
    write_list(&configuration.arguments, out, |argument, out| {
        write_list(&argument.parts, out, write_part);
    });
    write_list(&configuration.environment, out, |(name, value), out| {
        out.field(name.as_bytes());
        match value {
            VariableValue::Value(value) => out.marked(value),
            VariableValue::Host => out.byte(PRESENT),
        }
    });
    write_list(&configuration.files, out, |file, out| {
        out.field(file.path.as_bytes());
        out.number(u64::from(file.mode.bits()));
        match &file.content {
            FileContent::Given(content) => out.marked(content),
            FileContent::Template => out.byte(PRESENT),
        }
    });
    write_list(
        &configuration.template_secrets,
        out,
        |(name, value), out| {
            out.field(name.as_str().as_bytes());
            out.field(value.expose());
        },
    );
    write_list(&configuration.volumes, out, write_volume);
    write_optional(configuration.file_system.as_ref(), out, |system, out| {
        out.field(system.path.as_bytes());
        write_optional(system.key.as_ref(), out, |key, out| out.field(key.expose()));
        write_tag(system.tag.as_ref(), out);
    });
    let proof = configuration.access_token_proof.as_ref();
    write_optional(proof, out, |proof, out| out.field(proof.as_slice()));
}

fn write_part<S: Sink>(part: &ArgumentPart, out: &mut S) {
    match part {
        ArgumentPart::Value(value) => out.marked(value),
        ArgumentPart::Host(number) => {
            out.byte(PRESENT);
            out.number(u64::from(*number));
        }
    }
}

fn write_volume<S: Sink>(volume: &ConfigurationVolume, out: &mut S) {
    out.field(volume.name.as_str().as_bytes());
    out.field(volume.path.as_bytes());
    out.field(volume.key.expose());
    write_tag(volume.tag.as_ref(), out);
    out.byte(match volume.update_policy {
        UpdatePolicy::Ephemeral => 0,
        UpdatePolicy::RollbackProtected => 1,
        UpdatePolicy::NoRollbackProtection => 2,
    });
    out.byte(match volume.files {
        VolumeFiles::Encrypted => 0,
        VolumeFiles::AuthenticatedOnly => 1,
    });
}

fn write_tag<S: Sink>(tag: Option<&Digest<16>>, out: &mut S) {
    write_optional(tag, out, |tag, out| out.field(tag.as_bytes()));
}

fn write_optional<T, S: Sink>(value: Option<&T>, out: &mut S, write: impl Fn(&T, &mut S)) {
    match value {
        None => out.byte(ABSENT),
        Some(value) => {
            out.byte(PRESENT);
            write(value, out);
        }
    }
}

fn write_list<T, S: Sink>(items: &[T], out: &mut S, write: impl Fn(&T, &mut S)) {
    out.count(items.len());
    for item in items {
        write(item, out);
    }
}

/// What a configuration is written to: a buffer, or a count of its bytes.
trait Sink {
    fn byte(&mut self, byte: u8);
    fn number(&mut self, number: u64);
    fn count(&mut self, count: usize);
    fn field(&mut self, bytes: &[u8]);

    /// A value behind the mark that it is one.
    fn marked(&mut self, value: &Secret) {
        self.byte(ABSENT);
        // Exposed to be copied into the wiped buffer that is sealed.
        self.field(value.expose());
    }
}

impl Sink for FieldWriter {
    fn byte(&mut self, byte: u8) {
        Self::byte(self, byte);
    }
    fn number(&mut self, number: u64) {
        Self::number(self, number);
    }
    fn count(&mut self, count: usize) {
        Self::count(self, count);
    }
    fn field(&mut self, bytes: &[u8]) {
        Self::field(self, bytes);
    }
}

/// Counts.
struct Length(usize);

impl Sink for Length {
    fn byte(&mut self, _: u8) {
        self.0 = self.0.saturating_add(1);
    }
    fn number(&mut self, _: u64) {
        self.0 = self.0.saturating_add(NUMBER_BYTES);
    }
    fn count(&mut self, _: usize) {
        self.0 = self.0.saturating_add(NUMBER_BYTES);
    }
    fn field(&mut self, bytes: &[u8]) {
        self.0 = self.0.saturating_add(field_bytes(bytes.len()));
    }
}

/// How many bytes [`write_configuration`] writes.
pub(crate) fn configuration_bytes(configuration: &Configuration) -> usize {
    let mut length = Length(0);
    write(configuration, &mut length);
    length.0
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
        arguments: read_list(&mut reader, NUMBER_BYTES, |reader| {
            let parts = read_list(reader, LEAST_MARKED_BYTES, read_part)?;
            Some(Argument { parts })
        })?,
        environment: read_list(&mut reader, LEAST_MARKED_BYTES, read_variable)?,
        files: read_list(&mut reader, LEAST_MARKED_BYTES, read_file)?,
        template_secrets: read_list(&mut reader, NUMBER_BYTES, |reader| {
            Some((read_text(reader)?.parse().ok()?, read_secret(reader)?))
        })?,
        volumes: read_list(&mut reader, NUMBER_BYTES, read_volume)?,
        file_system: read_optional(&mut reader, read_file_system)?,
        access_token_proof: read_optional(&mut reader, read_array)?,
    };
    (reader.is_at_end() && names_differ(&configuration)).then_some(configuration)
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
    least_bytes: usize,
    read: impl Fn(&mut FieldReader<'a>) -> Option<T>,
) -> Option<Vec<T>> {
    let count = reader.count(least_bytes)?;
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

fn read_array<const N: usize>(reader: &mut FieldReader<'_>) -> Option<[u8; N]> {
    reader.field()?.try_into().ok()
}

/// One of two: a value behind the mark that it is one, or what `other` reads.
fn read_marked<'a, T>(
    reader: &mut FieldReader<'a>,
    value: impl FnOnce(Secret) -> T,
    other: impl FnOnce(&mut FieldReader<'a>) -> Option<T>,
) -> Option<T> {
    match reader.byte()? {
        ABSENT => read_secret(reader).map(value),
        PRESENT => other(reader),
        _ => None,
    }
}

fn read_part(reader: &mut FieldReader<'_>) -> Option<ArgumentPart> {
    read_marked(reader, ArgumentPart::Value, |reader| {
        let number = u16::try_from(reader.number()?).ok()?;
        (number > 0).then_some(ArgumentPart::Host(number))
    })
}

fn read_variable(reader: &mut FieldReader<'_>) -> Option<(String, VariableValue)> {
    let name = read_text(reader)?;
    if name.is_empty() || name.contains(['=', '\0']) {
        return None;
    }
    let value = read_marked(reader, VariableValue::Value, |_| Some(VariableValue::Host))?;
    Some((name, value))
}

fn read_file(reader: &mut FieldReader<'_>) -> Option<ConfigurationFile> {
    Some(ConfigurationFile {
        path: read_text(reader)?,
        mode: FileMode::from_bits(u32::try_from(reader.number()?).ok()?)?,
        content: read_marked(reader, FileContent::Given, |_| Some(FileContent::Template))?,
    })
}

fn read_volume(reader: &mut FieldReader<'_>) -> Option<ConfigurationVolume> {
    Some(ConfigurationVolume {
        name: read_text(reader)?.parse().ok()?,
        path: read_text(reader)?,
        key: read_secret(reader)?,
        tag: read_tag(reader)?,
        update_policy: match reader.byte()? {
            0 => UpdatePolicy::Ephemeral,
            1 => UpdatePolicy::RollbackProtected,
            2 => UpdatePolicy::NoRollbackProtection,
            _ => return None,
        },
        files: match reader.byte()? {
            0 => VolumeFiles::Encrypted,
            1 => VolumeFiles::AuthenticatedOnly,
            _ => return None,
        },
    })
}

fn read_file_system(reader: &mut FieldReader<'_>) -> Option<FileSystemProtection> {
    Some(FileSystemProtection {
        path: read_text(reader)?,
        key: read_optional(reader, read_secret)?,
        tag: read_tag(reader)?,
    })
}

#[expect(
    clippy::option_option,
    reason = "no tag is a valid answer, a damaged one is none"
)]
fn read_tag(reader: &mut FieldReader<'_>) -> Option<Option<Digest<16>>> {
    read_optional(reader, |reader| read_array::<16>(reader).map(Digest::from))
}

fn names_differ(configuration: &Configuration) -> bool {
    let mut names = BTreeSet::new();
    configuration
        .environment
        .iter()
        .all(|(name, _)| names.insert(name))
}

const VERSION: u8 = 2;
const ABSENT: u8 = 0;
const PRESENT: u8 = 1;
/// A mark alone.
const LEAST_MARKED_BYTES: usize = 1;

#[cfg(test)]
mod tests;
