//! What a library's file says it is built for: ELF (gABI, "ELF header"), PE (Microsoft's "PE Format") or Mach-O
//! (`mach-o/loader.h`).

use std::env::consts::ARCH;

/// A kind of library; each system has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// Linux's.
    Elf,
    /// Windows'.
    Pe,
    /// macOS'.
    MachO,
}

/// What a library is built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LibraryFile {
    pub(super) format: Format,
    pub(super) bits: u8,
    /// The format's number of the processor: e_machine, Machine, cputype.
    machine: u32,
}

/// How many bytes of a file are enough: the headers of usual files are in them.
pub(super) const START: usize = 1024;

/// The processors by Rust's names, with their bits and their numbers in ELF, PE and Mach-O. 0: the format has none.
const PROCESSORS: [(&str, u8, [u32; 3]); 7] = [
    ("x86", 32, [3, 0x14c, 7]),
    ("arm", 32, [40, 0x1c4, 12]),
    ("x86_64", 64, [62, 0x8664, 0x0100_0007]),
    ("aarch64", 64, [183, 0xaa64, 0x0100_000c]),
    ("riscv64", 64, [243, 0x5064, 0]),
    ("powerpc64", 64, [21, 0, 0]),
    ("s390x", 64, [22, 0, 0]),
];

impl Format {
    /// This system's.
    pub(super) const OWN: Self = match std::env::consts::DLL_SUFFIX.as_bytes() {
        b".dll" => Format::Pe,
        b".dylib" => Format::MachO,
        _ => Format::Elf,
    };

    /// The system that has it, and its name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Format::Elf => "Linux (ELF)",
            Format::Pe => "Windows (PE)",
            Format::MachO => "macOS (Mach-O)",
        }
    }
}

impl LibraryFile {
    /// What this program is built for; a module must be the same. None if the processor is not in the table.
    pub(super) fn own() -> Option<Self> {
        let (_, bits, machines) = PROCESSORS.iter().find(|(name, ..)| *name == ARCH)?;
        Some(LibraryFile { format: Format::OWN, bits: *bits, machine: machines[Format::OWN as usize] })
    }

    /// From the first bytes of a file; none if it is not a library.
    pub(super) fn read(start: &[u8]) -> Option<Self> {
        match start {
            [0x7f, b'E', b'L', b'F', class, data, ..] => {
                let machine: [u8; 2] = start.get(18..20)?.try_into().ok()?;
                let machine =
                    if *data == 2 { u16::from_be_bytes(machine) } else { u16::from_le_bytes(machine) };
                let bits = if *class == 1 { 32 } else { 64 };
                Some(LibraryFile { format: Format::Elf, bits, machine: machine.into() })
            }
            [b'M', b'Z', ..] => {
                let header = u32::from_le_bytes(start.get(0x3c..0x40)?.try_into().ok()?) as usize;
                let (_, header) = start.split_at_checked(header)?;
                let [b'P', b'E', 0, 0, low, high, ..] = header else { return None };
                let machine = u32::from(u16::from_le_bytes([*low, *high]));
                // Of the optional header, which tells the two kinds apart: 0x20b is PE32+.
                let magic =
                    header.get(24..26).map_or(0x20b, |magic| u16::from_le_bytes([magic[0], magic[1]]));
                let bits = if magic == 0x10b { 32 } else { 64 };
                Some(LibraryFile { format: Format::Pe, bits, machine })
            }
            // A file for several processors: the system takes the part that fits.
            [0xca, 0xfe, 0xba, 0xbe, ..] if Format::OWN == Format::MachO => Self::own(),
            [magic @ (0xce | 0xcf), 0xfa, 0xed, 0xfe, machine @ ..] => {
                let machine = u32::from_le_bytes(machine.get(..4)?.try_into().ok()?);
                let bits = if *magic == 0xce { 32 } else { 64 };
                Some(LibraryFile { format: Format::MachO, bits, machine })
            }
            _ => None,
        }
    }

    /// The name of the processor.
    pub(super) fn processor(self) -> String {
        let is_it = |(_, _, machines): &&(&str, u8, [u32; 3])| machines[self.format as usize] == self.machine;
        match PROCESSORS.iter().find(is_it) {
            // 32-bit code for it.
            Some(("x86_64", ..)) if self.bits == 32 => "x32".to_owned(),
            Some((name, ..)) => (*name).to_owned(),
            None => format!("a processor of number {}", self.machine),
        }
    }
}
