"""Contains all the data models used in inputs/outputs"""

from .actor import Actor
from .actor_detail import ActorDetail
from .actor_page import ActorPage
from .actor_summary import ActorSummary
from .address import Address
from .answer import Answer
from .answer_agent import AnswerAgent
from .availability import Availability
from .category import Category
from .category_list import CategoryList
from .copy import Copy
from .count_mode import CountMode
from .customer import Customer
from .customer_detail import CustomerDetail
from .customer_page import CustomerPage
from .customer_sort import CustomerSort
from .delta_event import DeltaEvent
from .done_event import DoneEvent
from .film import Film
from .film_detail import FilmDetail
from .film_inventory import FilmInventory
from .film_page import FilmPage
from .film_sort import FilmSort
from .film_summary import FilmSummary
from .film_update import FilmUpdate
from .get_contract_json_response_200 import GetContractJsonResponse200
from .health import Health
from .health_status import HealthStatus
from .index import Index
from .index_links import IndexLinks
from .input_error import InputError
from .language import Language
from .language_list import LanguageList
from .language_model import LanguageModel
from .payment import Payment
from .payment_page import PaymentPage
from .payment_sort import PaymentSort
from .plan import Plan
from .plan_list import PlanList
from .plan_name import PlanName
from .problem import Problem
from .problem_code import ProblemCode
from .question import Question
from .rating import Rating
from .readiness import Readiness
from .readiness_dataset import ReadinessDataset
from .readiness_status import ReadinessStatus
from .rental import Rental
from .rental_page import RentalPage
from .rental_request import RentalRequest
from .rental_sort import RentalSort
from .rental_state import RentalState
from .source import Source
from .sources_event import SourcesEvent
from .store import Store
from .store_list import StoreList
from .subscription import Subscription
from .subscription_list import SubscriptionList
from .subscription_request import SubscriptionRequest
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
    "Address",
    "Answer",
    "AnswerAgent",
    "Availability",
    "Category",
    "CategoryList",
    "Copy",
    "CountMode",
    "Customer",
    "CustomerDetail",
    "CustomerPage",
    "CustomerSort",
    "DeltaEvent",
    "DoneEvent",
    "Film",
    "FilmDetail",
    "FilmInventory",
    "FilmPage",
    "FilmSort",
    "FilmSummary",
    "FilmUpdate",
    "GetContractJsonResponse200",
    "Health",
    "HealthStatus",
    "Index",
    "IndexLinks",
    "InputError",
    "Language",
    "LanguageList",
    "LanguageModel",
    "Payment",
    "PaymentPage",
    "PaymentSort",
    "Plan",
    "PlanList",
    "PlanName",
    "Problem",
    "ProblemCode",
    "Question",
    "Rating",
    "Readiness",
    "ReadinessDataset",
    "ReadinessStatus",
    "Rental",
    "RentalPage",
    "RentalRequest",
    "RentalSort",
    "RentalState",
    "Source",
    "SourcesEvent",
    "Store",
    "StoreList",
    "Subscription",
    "SubscriptionList",
    "SubscriptionRequest",
    "SummaryRequest",
    "Token",
    "TokenRequest",
    "TokenRequestGrantType",
    "TokenTokenType",
    "ToolEvent",
    "ToolEventArguments",
    "Usage",
)
