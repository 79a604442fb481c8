"""A member's trusted decryptor: the only place where plain health data and patients' keys live."""
