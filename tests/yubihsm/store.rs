//! The objects of the device: who sees which (user guide: "Core Concepts", "Domain"), and storing them.

use std::collections::BTreeMap;

use crate::capability::Capabilities;
use crate::frame::{Fields, Refusal};
use crate::memory::Memory;
use crate::object::Object;
use crate::session::Rights;

/// "any YubiHSM 2 device can store up to 256 Objects" (user guide: "Core Concepts").
const MOST: usize = 256;

pub struct Store {
    memory: Memory,
    /// By id and type.
    objects: BTreeMap<(u16, u8), Object>,
}

impl Store {
    pub fn open(memory: Memory) -> Self {
        let names = memory.names().into_iter().filter(|name| name.starts_with("object-"));
        let read = |name: String| Object::from_bytes(&memory.read(&name)?).ok();
        let objects =
            names.filter_map(read).map(|object| ((object.id, object.object_type), object)).collect();
        Store { memory, objects }
    }

    /// An object that shares a domain with the session's key.
    pub fn find(&self, rights: &Rights, id: u16, object_type: u8) -> Result<&Object, Refusal> {
        let object = self.objects.get(&(id, object_type)).ok_or(Refusal::OBJECT_NOT_FOUND)?;
        if object.domains & rights.domains == 0 {
            return Err(Refusal::OBJECT_NOT_FOUND);
        }
        Ok(object)
    }

    /// The same before anyone has logged in, or for the device itself.
    pub fn of_device(&self, id: u16, object_type: u8) -> Option<&Object> {
        self.objects.get(&(id, object_type))
    }

    /// Creates an object that the session may create, with a free id if none was requested.
    pub fn make(&mut self, rights: &Rights, mut object: Object) -> Result<u16, Refusal> {
        let too_much = |given: Capabilities| given & !rights.delegated != 0;
        if too_much(object.capabilities)
            || too_much(object.delegated)
            || object.domains & !rights.domains != 0
        {
            return Err(Refusal::INSUFFICIENT_PERMISSIONS);
        }
        if object.domains == 0 {
            return Err(Refusal::INVALID_DATA);
        }
        if self.objects.len() >= MOST {
            return Err(Refusal::STORAGE_FAILED);
        }
        if object.id == 0 {
            let is_free = |id: &u16| !self.objects.contains_key(&(*id, object.object_type));
            object.id = (1..=u16::MAX - 1).rev().find(is_free).ok_or(Refusal::STORAGE_FAILED)?;
        }
        if self.objects.contains_key(&(object.id, object.object_type)) {
            return Err(Refusal::OBJECT_EXISTS);
        }
        object.sequence = self.next_sequence(&object);
        let id = object.id;
        self.put(object);
        Ok(id)
    }

    /// Stores it in place of any other.
    pub fn put(&mut self, object: Object) {
        self.memory.write(&name(&object), &object.to_bytes());
        self.objects.insert((object.id, object.object_type), object);
    }

    pub fn delete(&mut self, rights: &Rights, id: u16, object_type: u8) -> Result<(), Refusal> {
        let object = self.find(rights, id, object_type)?.clone();
        self.memory.remove(&name(&object));
        self.objects.remove(&(id, object_type));
        Ok(())
    }

    pub fn clear(&mut self) {
        for object in std::mem::take(&mut self.objects).values() {
            self.memory.remove(&name(object));
        }
    }

    pub fn count(&self) -> usize {
        self.objects.len()
    }

    /// LIST OBJECTS: id, type and sequence of each object that passes all filters. Preloaded objects have the
    /// id 0 and are not listed.
    pub fn list(&self, rights: &Rights, filters: &[u8]) -> Result<Vec<u8>, Refusal> {
        let mut found: Vec<&Object> = self
            .objects
            .values()
            .filter(|object| object.id != 0 && object.domains & rights.domains != 0)
            .collect();
        let mut fields = Fields(filters);
        while !fields.0.is_empty() {
            match fields.u8()? {
                1 => fields.u16().map(|id| found.retain(|object| object.id == id))?,
                2 => fields.u8().map(|wanted| found.retain(|object| object.object_type == wanted))?,
                3 => fields.u16().map(|domains| found.retain(|object| object.domains & domains != 0))?,
                4 => fields.u64().map(|wanted| found.retain(|object| object.capabilities & wanted != 0))?,
                5 => fields.u8().map(|algorithm| found.retain(|object| object.algorithm == algorithm))?,
                6 => fields.array().map(|label| found.retain(|object| object.label == label))?,
                _ => return Err(Refusal::INVALID_DATA),
            }
        }
        let entry = |object: &Object| {
            let [high, low] = object.id.to_be_bytes();
            [high, low, object.object_type, object.sequence]
        };
        Ok(found.into_iter().flat_map(entry).collect())
    }

    /// "a sequence number that is increased when an Object with the same ID and Type is made" (user guide: "Object").
    fn next_sequence(&self, object: &Object) -> u8 {
        let counter = format!("sequence-{:04x}-{:02x}", object.id, object.object_type);
        let next = self.memory.number(&counter).map_or(0, |last| last + 1);
        self.memory.set_number(&counter, next);
        next as u8
    }
}

fn name(object: &Object) -> String {
    format!("object-{:04x}-{:02x}", object.id, object.object_type)
}
