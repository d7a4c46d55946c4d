"""Contains all the data models used in inputs/outputs"""

from .actor import Actor
from .actor_detail import ActorDetail
from .actor_page import ActorPage
from .actor_summary import ActorSummary
from .answer import Answer
from .answer_agent import AnswerAgent
from .availability import Availability
from .category import Category
from .category_list import CategoryList
from .copy import Copy
from .count_mode import CountMode
from .delta_event import DeltaEvent
from .done_event import DoneEvent
from .film import Film
from .film_detail import FilmDetail
from .film_inventory import FilmInventory
from .film_page import FilmPage
from .film_sort import FilmSort
from .film_summary import FilmSummary
from .get_contract_json_response_200 import GetContractJsonResponse200
from .health import Health
from .health_status import HealthStatus
from .input_error import InputError
from .language import Language
from .language_list import LanguageList
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
from .store import Store
from .store_list import StoreList
from .summary_request import SummaryRequest
from .token import Token
from .token_request import TokenRequest
from .token_request_grant_type import TokenRequestGrantType
from .token_token_type import TokenTokenType
from .tool_event import ToolEvent
from .tool_event_arguments import ToolEventArguments
from .usage import Usage

__all__ = (
    "Actor",
    "ActorDetail",
    "ActorPage",
    "ActorSummary",
    "Answer",
    "AnswerAgent",
    "Availability",
    "Category",
    "CategoryList",
    "Copy",
    "CountMode",
    "DeltaEvent",
    "DoneEvent",
    "Film",
    "FilmDetail",
    "FilmInventory",
    "FilmPage",
    "FilmSort",
    "FilmSummary",
    "GetContractJsonResponse200",
    "Health",
    "HealthStatus",
    "InputError",
    "Language",
    "LanguageList",
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
    "Store",
    "StoreList",
    "SummaryRequest",
    "Token",
    "TokenRequest",
    "TokenRequestGrantType",
    "TokenTokenType",
    "ToolEvent",
    "ToolEventArguments",
    "Usage",
)
