//! Thrift's compact protocol, walked but not read: that nothing in it claims more than there is.

/// The length of the structure that `bytes` begin with, and its third field if that is a whole
/// number (the compressed size, in the header of a parquet page); none if it does not end in them,
/// or a list or map in it has more entries than bytes are left.
pub(super) fn walk(bytes: &[u8]) -> Option<(usize, Option<usize>)> {
    let mut walker = Walker { bytes, at: 0 };
    let third = walker.structure(0)?;
    Some((walker.at, third))
}

/// Structures of parquet lie within each other no deeper than this.
const DEEPEST: usize = 16;

struct Walker<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Walker<'_> {
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn skip(&mut self, count: usize) -> Option<()> {
        self.at = self
            .at
            .checked_add(count)
            .filter(|at| *at <= self.bytes.len())?;
        Some(())
    }

    /// Seven bits a byte, the lowest first.
    fn number(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    /// A number of entries, each of which takes a byte at least.
    fn count(&mut self) -> Option<usize> {
        let count = usize::try_from(self.number()?).ok()?;
        (count <= self.bytes.len() - self.at).then_some(count)
    }

    fn structure(&mut self, depth: usize) -> Option<Option<usize>> {
        let (mut field, mut third) = (0u64, None);
        loop {
            let header = self.byte()?;
            if header == 0 {
                return Some(third);
            }
            field = match header >> 4 {
                0 => self.number()? >> 1,
                step => field.checked_add(u64::from(step))?,
            };
            match header & 0xf {
                // A truth value is in its header.
                1 | 2 => {}
                5 if field == 3 => third = usize::try_from(self.number()? >> 1).ok(),
                kind => self.value(kind, depth)?,
            }
        }
    }

    fn value(&mut self, kind: u8, depth: usize) -> Option<()> {
        match kind {
            1..=3 => self.skip(1),
            4..=6 => self.number().map(|_| ()),
            7 => self.skip(8),
            8 => {
                let length = self.count()?;
                self.skip(length)
            }
            9..=11 if depth >= DEEPEST => None,
            9 | 10 => {
                let header = self.byte()?;
                let count = match header >> 4 {
                    15 => self.count()?,
                    few => usize::from(few),
                };
                (0..count).try_for_each(|_| self.value(header & 0xf, depth + 1))
            }
            11 => {
                let count = self.count()?;
                let kinds = if count > 0 { self.byte()? } else { 0 };
                (0..count).try_for_each(|_| {
                    self.value(kinds >> 4, depth + 1)?;
                    self.value(kinds & 0xf, depth + 1)
                })
            }
            12 if depth < DEEPEST => self.structure(depth + 1).map(|_| ()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The header of a data page of 10 bytes with the statistics of its column.
    #[test]
    fn the_header_of_a_page_is_walked_to_its_end() {
        let header = [
            0x15, 0x00, 0x15, 0x12, 0x15, 0x14, 0x2c, 0x15, 0x06, 0x15, 0x10, 0x15, 0x06, 0x15,
            0x06, 0x1c, 0x18, 0x02, 9, 9, 0x16, 0x02, 0x11, 0x00, 0x00, 0x00,
        ];
        assert_eq!(
            walk(&[&header[..], &[1, 2, 3]].concat()),
            Some((26, Some(10)))
        );
        for cut in 0..header.len() {
            assert_eq!(walk(&header[..cut]), None, "{cut}");
        }
    }

    /// A map of 47 million entries in a dozen bytes, structures without end.
    #[test]
    fn what_claims_more_than_there_is_ends_at_once() {
        let map = [
            0x15, 0x04, 0x15, 0x30, 0x15, 0x30, 0x4c, 0xdb, 0xb9, 0xd3, 0xe3, 0x16, 0x1d,
        ];
        assert_eq!(walk(&[&map[..], &[0; 20]].concat()), None);
        assert_eq!(walk(&[0x1c; 100_000]), None);
        assert_eq!(walk(&[0x19; 100_000]), None);
        assert_eq!(walk(&[0xff; 100]), None);
        assert_eq!(walk(&[]), None);
    }
}
