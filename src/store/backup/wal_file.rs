//! Reads SQLite's write-ahead log as a file: which pages its committed transactions wrote, in order.
//!
//! The format is that of <https://sqlite.org/fileformat2.html#the_write_ahead_log>. A frame belongs to the log as long as
//! its salts are those of the header and the checksums up to it are right; what follows was not written yet, or belongs to
//! the log before. It knows nothing of the database file.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;

/// The first word of the header; its last bit says whether checksums read words in big-endian order.
const MAGIC: u32 = 0x377f_0682;

/// A log whose header is valid.
pub(super) struct WalFile {
    file: File,
    header: [u8; HEADER],
    is_big_endian: bool,
    page_size: usize,
    offset: u64,
    sums: (u32, u32),
}

/// The pages of one committed transaction, in the order in which they were written.
pub(super) struct WalTransaction {
    /// Each page's number, which counts from 1, and the place of its content in the log.
    pub(super) pages: Vec<(u32, u64)>,
    /// The size of the database after it, in pages.
    pub(super) database_pages: u32,
}

impl WalFile {
    /// Opens the log; `None` when there is none, or nothing was written into it yet.
    pub(super) fn open(path: &Path) -> io::Result<Option<Self>> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let Some(header) = read_header(&file)? else { return Ok(None) };
        let is_big_endian = word(&header, 0) & 1 == 1;
        let sums = checksum((0, 0), &header[..24], is_big_endian);
        let is_valid = word(&header, 0) & !1 == MAGIC && sums == (word(&header, 24), word(&header, 28));
        let Ok(page_size) = usize::try_from(word(&header, 8)) else { return Ok(None) };
        if !is_valid {
            return Ok(None);
        }
        Ok(Some(Self { file, header, is_big_endian, page_size, offset: HEADER as u64, sums }))
    }

    /// The next committed transaction; `None` at the end of what is committed.
    pub(super) fn read_transaction(&mut self) -> io::Result<Option<WalTransaction>> {
        let mut pages = Vec::new();
        let (mut offset, mut sums) = (self.offset, self.sums);
        let mut frame = vec![0; FRAME_HEADER + self.page_size];
        loop {
            if !read_whole(&self.file, &mut frame, offset)? || frame[8..16] != self.header[16..24] {
                return Ok(None);
            }
            sums = checksum(sums, &frame[..8], self.is_big_endian);
            sums = checksum(sums, &frame[FRAME_HEADER..], self.is_big_endian);
            if sums != (word(&frame, 16), word(&frame, 20)) {
                return Ok(None);
            }
            pages.push((word(&frame, 0), offset + FRAME_HEADER as u64));
            offset += frame.len() as u64;
            let database_pages = word(&frame, 4);
            if database_pages != 0 {
                (self.offset, self.sums) = (offset, sums);
                return Ok(Some(WalTransaction { pages, database_pages }));
            }
        }
    }

    /// Reads the content of a page at its place.
    pub(super) fn page(&self, place: u64, content: &mut [u8]) -> io::Result<bool> {
        read_whole(&self.file, content, place)
    }

    /// Where the next transaction begins.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// The length of the file. What is behind the last transaction belongs to the log before.
    pub(super) fn length(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    pub(super) fn page_size(&self) -> usize {
        self.page_size
    }

    /// Whether the log was begun again since it was opened: what was read of it may be no part of it.
    pub(super) fn was_restarted(&self) -> io::Result<bool> {
        Ok(read_header(&self.file)? != Some(self.header))
    }
}

fn read_header(file: &File) -> io::Result<Option<[u8; HEADER]>> {
    let mut header = [0; HEADER];
    Ok(read_whole(file, &mut header, 0)?.then_some(header))
}

// False when the file ends before.
fn read_whole(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<bool> {
    match file.read_exact_at(buffer, offset) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|word| word.try_into().ok()).map_or(0, u32::from_be_bytes)
}

fn checksum(sums: (u32, u32), bytes: &[u8], is_big_endian: bool) -> (u32, u32) {
    let (words, _) = bytes.as_chunks::<4>();
    let read = |word: [u8; 4]| if is_big_endian { u32::from_be_bytes(word) } else { u32::from_le_bytes(word) };
    let (pairs, _) = words.as_chunks::<2>();
    pairs.iter().fold(sums, |(first, second), [even, odd]| {
        let first = first.wrapping_add(read(*even)).wrapping_add(second);
        (first, second.wrapping_add(read(*odd)).wrapping_add(first))
    })
}
