"""A request that the service refuses, in AWS's words for its client and in plain words for the log."""


class Refusal(Exception):
    def __init__(self, status, code, message, detail=""):
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.detail = detail or message


def denied(message, detail=""):
    return Refusal(403, "AccessDeniedException", message, detail)


def invalid(message, detail=""):
    return Refusal(400, "ValidationException", message, detail)
