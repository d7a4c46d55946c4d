"""Contains all the data models used in inputs/outputs"""

from .actor import Actor
from .answer import Answer
from .answer_agent import AnswerAgent
from .delta_event import DeltaEvent
from .done_event import DoneEvent
from .film import Film
from .film_detail import FilmDetail
from .film_page import FilmPage
from .film_summary import FilmSummary
from .get_contract_json_response_200 import GetContractJsonResponse200
from .health import Health
from .health_status import HealthStatus
from .input_error import InputError
from .language_model import LanguageModel
from .problem import Problem
from .problem_code import ProblemCode
from .question import Question
from .rating import Rating
from .readiness import Readiness
from .readiness_dataset import ReadinessDataset
from .readiness_status import ReadinessStatus
from .rental import Rental
from .rental_request import RentalRequest
from .source import Source
from .sources_event import SourcesEvent
from .summary_request import SummaryRequest
from .token import Token
from .token_request import TokenRequest
from .token_request_grant_type import TokenRequestGrantType
from .token_token_type import TokenTokenType
from .usage import Usage

__all__ = (
    "Actor",
    "Answer",
    "AnswerAgent",
    "DeltaEvent",
    "DoneEvent",
    "Film",
    "FilmDetail",
    "FilmPage",
    "FilmSummary",
    "GetContractJsonResponse200",
    "Health",
    "HealthStatus",
    "InputError",
    "LanguageModel",
    "Problem",
    "ProblemCode",
    "Question",
    "Rating",
    "Readiness",
    "ReadinessDataset",
    "ReadinessStatus",
    "Rental",
    "RentalRequest",
    "Source",
    "SourcesEvent",
    "SummaryRequest",
    "Token",
    "TokenRequest",
    "TokenRequestGrantType",
    "TokenTokenType",
    "Usage",
)
