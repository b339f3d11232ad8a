variable "name" {
  description = "The platform's name; everything that it has starts with it. One account can hold several platforms."
  type        = string
  default     = "trainshed"

  validation {
    # A load balancer has 32 characters: this name, a hyphen and eight of a model's digest fit.
    condition     = can(regex("^[a-z][a-z0-9-]{1,18}[a-z0-9]$", var.name)) && !strcontains(var.name, "--")
    error_message = "The name must have 3 to 20 lower-case letters, digits and single hyphens, and start with a letter."
  }
}

variable "lambda_zip" {
  description = "The consumer's deployment package, as scripts/build_lambda.sh makes it."
  type        = string
}

variable "model_types" {
  description = "The folder with a folder per model type, each with its model_type.json; this repository's own if not given."
  type        = string
  default     = null
}

variable "default_hyperparameters" {
  description = "Defaults per model type, before those of its model_type.json; what a request says comes before both."
  type        = any
  default     = { ner = { embeddings = "distilbert-base-cased" } }
}

variable "cap" {
  description = "How many trainings may run at once."
  type        = number
  default     = 5

  validation {
    condition     = var.cap == floor(var.cap) && var.cap >= 1 && var.cap <= 10000
    error_message = "The cap must be a whole number from 1 to 10000."
  }
}

variable "image_tag" {
  description = "The tag of the training images. Tags are immutable: a new image has a new tag."
  type        = string
  default     = "0.1.0"
}

variable "retrain_on_push" {
  description = "Model type → the requests that a new image in its training repository queues: { name, epochs, dataset, hyperparameters, priority, max_attempts, timeout_minutes }, only the name is needed. They train in the pushed image."
  type        = any
  default     = {}

  validation {
    condition     = can([for type, requests in var.retrain_on_push : [for request in requests : keys(request)]])
    error_message = "retrain_on_push must have a list of requests for each model type: { ner = [{ name = \"my-model\" }] }."
  }
}

variable "retrain_on_data" {
  description = "Key in the data set bucket (with a slash at its end: all that lies below) → the requests that a new object there queues, as in retrain_on_push, with a model_type (ner if none); their dataset is this key unless they have another."
  type        = any
  default     = {}

  validation {
    condition     = can([for key, requests in var.retrain_on_data : [for request in requests : keys(request)]])
    error_message = "retrain_on_data must have a list of requests for each key: { \"reviews/\" = [{ name = \"my-model\", model_type = \"sentiment\" }] }."
  }

  validation {
    condition     = alltrue([for key in try(keys(var.retrain_on_data), []) : can(regex("^[^/[:cntrl:]][^[:cntrl:]]{0,900}$", key))])
    error_message = "A key of retrain_on_data starts with no slash, and is no address: \"reviews/\", for one."
  }
}

variable "allow_downloads" {
  description = "Whether trainings may fetch pretrained parts from a model hub by name."
  type        = bool
  default     = true
}

variable "training_disk_gib" {
  description = "The disk of a training on Fargate, in GiB."
  type        = number
  default     = 40

  validation {
    condition     = var.training_disk_gib >= 21 && var.training_disk_gib <= 200
    error_message = "Fargate gives a task 21 to 200 GiB."
  }
}

variable "checkpoint_seconds" {
  description = "The least time between two checkpoints that a training uploads while nobody stops it."
  type        = number
  default     = 300

  validation {
    condition     = var.checkpoint_seconds > 0 && var.checkpoint_seconds <= 31536000
    error_message = "checkpoint_seconds must be above 0, and at most a year."
  }
}

variable "vpc_cidr" {
  description = "The addresses of the platform's network."
  type        = string
  default     = "10.42.0.0/16"

  validation {
    condition     = can(cidrsubnet(var.vpc_cidr, 4, 15))
    error_message = "vpc_cidr must be an address range with room for subnets, such as 10.42.0.0/16."
  }
}

variable "nat" {
  description = "NAT gateways: none (trainings get public addresses, and nobody can reach them), one, or one_per_zone."
  type        = string
  default     = "one"

  validation {
    condition     = contains(["none", "one", "one_per_zone"], var.nat)
    error_message = "nat must be none, one or one_per_zone."
  }
}

variable "capacity_providers" {
  description = "Where trainings run when they run on Fargate: FARGATE, FARGATE_SPOT, or both in equal shares."
  type        = list(string)
  default     = ["FARGATE"]

  validation {
    condition = (
      length(var.capacity_providers) > 0 &&
      length(setsubtract(var.capacity_providers, ["FARGATE", "FARGATE_SPOT"])) == 0 &&
      length(distinct(var.capacity_providers)) == length(var.capacity_providers)
    )
    error_message = "capacity_providers must hold FARGATE, FARGATE_SPOT or both."
  }
}

variable "gpu_instance_type" {
  description = "Run trainings on EC2 instances of this type, such as g4dn.xlarge, with one GPU each, instead of on Fargate."
  type        = string
  default     = null

  validation {
    # ECS gives a task on EC2 no public address.
    condition     = var.gpu_instance_type == null || var.nat != "none"
    error_message = "Trainings on EC2 instances have no public addresses: gpu_instance_type needs nat = \"one\" or \"one_per_zone\"."
  }
}

variable "gpu_max_instances" {
  description = "How many GPU instances there may be at once; there are none while nothing trains."
  type        = number
  default     = 2
}

variable "consumer_reserved_concurrency" {
  description = "How many consumers may run at once; -1 reserves nothing, for accounts whose limit leaves no room."
  type        = number
  default     = 2

  validation {
    condition     = var.consumer_reserved_concurrency == -1 || var.consumer_reserved_concurrency >= 1
    error_message = "With no consumer nothing would ever train: at least 1, or -1 to reserve nothing."
  }
}

variable "log_retention_days" {
  description = "How long logs are kept."
  type        = number
  default     = 365
}

variable "alarm_email" {
  description = "Who gets the alarms; AWS asks the address to confirm. Without one the topic is there to subscribe to."
  type        = string
  default     = null
}

variable "oldest_pending_minutes" {
  description = "The alarm goes off when a model has waited for its training for this long."
  type        = number
  default     = 120
}

variable "failure_rate_percent" {
  description = "The alarm goes off when more of an hour's trainings fail than this."
  type        = number
  default     = 50
}

variable "github_repository" {
  description = "owner/name of the repository whose workflows may plan, apply and push images, without stored keys."
  type        = string
  default     = null

  validation {
    condition     = var.github_repository == null || can(regex("^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$", var.github_repository))
    error_message = "github_repository must be owner/name."
  }
}

variable "github_oidc_provider_arn" {
  description = "GitHub's OIDC provider, where the account has it already; else it is made."
  type        = string
  default     = null
}

variable "force_destroy" {
  description = "Whether terraform destroy may delete artifacts, data sets and images."
  type        = bool
  default     = false
}
