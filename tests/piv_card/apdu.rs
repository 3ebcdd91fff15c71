//! Commands and answers of ISO 7816-4: command chaining one way, GET RESPONSE the other.

/// The two bytes at an answer's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status(pub u16);

impl Status {
    pub const OK: Self = Status(0x9000);
    pub const WRONG_LENGTH: Self = Status(0x6700);
    pub const NOT_ALLOWED_YET: Self = Status(0x6982);
    pub const BLOCKED: Self = Status(0x6983);
    pub const CONDITIONS_NOT_SATISFIED: Self = Status(0x6985);
    pub const WRONG_DATA: Self = Status(0x6a80);
    pub const NOT_FOUND: Self = Status(0x6a82);
    pub const WRONG_PARAMETERS: Self = Status(0x6a86);
    pub const NO_SUCH_REFERENCE: Self = Status(0x6a88);
    pub const NO_SUCH_INSTRUCTION: Self = Status(0x6d00);

    pub fn tries_left(tries: u8) -> Self {
        Status(0x63c0 | u16::from(tries))
    }
}

pub type Answer = Result<Vec<u8>, Status>;

pub struct Command {
    pub instruction: u8,
    pub p1: u8,
    pub p2: u8,
    pub data: Vec<u8>,
}

/// What is kept from one APDU to the next.
#[derive(Default)]
pub struct Channel {
    chain: Vec<u8>,
    rest: Vec<u8>,
}

impl Channel {
    /// Gathers a command, has it executed when it is whole, and gives the answer in pieces.
    pub fn transmit(&mut self, apdu: &[u8], execute: impl FnOnce(&Command) -> Answer) -> Vec<u8> {
        let Some((class, mut command, most)) = parse(apdu) else {
            return with(&[], Status::WRONG_LENGTH);
        };
        if command.instruction == 0xc0 {
            return self.next_piece(most);
        }
        self.rest.clear();
        self.chain.append(&mut command.data);
        if class & 0x10 != 0 {
            return with(&[], Status::OK);
        }
        command.data = std::mem::take(&mut self.chain);
        match execute(&command) {
            Ok(answer) => {
                self.rest = answer;
                self.next_piece(most)
            }
            Err(status) => with(&[], status),
        }
    }

    fn next_piece(&mut self, most: usize) -> Vec<u8> {
        let piece: Vec<u8> = self.rest.drain(..self.rest.len().min(most)).collect();
        let status = match self.rest.len() {
            0 => Status::OK,
            more @ ..=0xff => Status(0x6100 | more as u16),
            _ => Status(0x6100),
        };
        with(&piece, status)
    }
}

fn with(data: &[u8], Status(status): Status) -> Vec<u8> {
    [data, &status.to_be_bytes()].concat()
}

/// Class, command, and how long the answer may be (Le), where 0 is as much as can be.
fn parse(apdu: &[u8]) -> Option<(u8, Command, usize)> {
    let &[class, instruction, p1, p2, ref body @ ..] = apdu else { return None };
    let (data, most) = match *body {
        [] | [_] | [0, _, _] => (&[][..], body),
        [0, high, low, ref rest @ ..] => {
            rest.split_at_checked(usize::from(u16::from_be_bytes([high, low])))?
        }
        [length, ref rest @ ..] => rest.split_at_checked(usize::from(length))?,
    };
    let most = match *most {
        [] | [0] => 0x100,
        [short] => usize::from(short),
        [.., 0, 0] => 0x1_0000,
        [.., high, low] => usize::from(u16::from_be_bytes([high, low])),
    };
    Some((class, Command { instruction, p1, p2, data: data.to_vec() }, most))
}
