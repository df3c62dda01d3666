//! Messages of Protocol Buffers, as far as event files need them.
//!
//! A field is its number and wire type, and then its value (the wire format of the Protocol Buffers documentation, "Encoding").

/// A message that is being written.
#[derive(Debug, Clone, Default)]
pub(super) struct Message(Vec<u8>);

/// The wire types.
const VARINT: u64 = 0;
const EIGHT_BYTES: u64 = 1;
const DELIMITED: u64 = 2;
const FOUR_BYTES: u64 = 5;

impl Message {
    /// Adds a whole number.
    pub fn integer(self, field: u64, value: u64) -> Self {
        self.tag(field, VARINT).varint(value)
    }

    /// Adds a number of 64 bits.
    pub fn double(self, field: u64, value: f64) -> Self {
        self.tag(field, EIGHT_BYTES).raw(&value.to_le_bytes())
    }

    /// Adds a number of 32 bits.
    pub fn float(self, field: u64, value: f32) -> Self {
        self.tag(field, FOUR_BYTES).raw(&value.to_le_bytes())
    }

    /// Adds bytes or a text.
    pub fn bytes(self, field: u64, value: impl AsRef<[u8]>) -> Self {
        let value = value.as_ref();
        self.tag(field, DELIMITED).varint(value.len() as u64).raw(value)
    }

    /// Adds a message.
    pub fn message(self, field: u64, value: &Self) -> Self {
        self.bytes(field, &value.0)
    }

    /// All of it.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn tag(self, field: u64, wire_type: u64) -> Self {
        self.varint(field << 3 | wire_type)
    }

    fn varint(mut self, mut value: u64) -> Self {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
        self
    }

    fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }
}
