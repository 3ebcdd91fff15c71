//! What the journeys are made with. Only this folder is imported by test files; none of them imports another.

pub mod authority;
pub mod clients;
pub mod clock;
pub mod credentials_file;
pub mod desk;
pub mod faults;
pub mod kryoptic;
pub mod leaks;
pub mod openssl;
pub mod p11_kit;
pub mod parts;
pub mod pinned;
pub mod piv_card;
pub mod preparing;
pub mod python;
pub mod real_modules;
pub mod roles_anywhere;
pub mod run;
pub mod running;
pub mod server;
pub mod serving;
pub mod template;
pub mod terminal;
pub mod token_files;
pub mod tpm;
