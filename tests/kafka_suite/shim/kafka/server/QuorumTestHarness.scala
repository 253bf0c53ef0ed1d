package kafka.server

import java.util.{Locale, Properties, stream}

import kafka.utils.{Logging, TestInfoUtils}
import org.apache.kafka.clients.consumer.GroupProtocol
import org.apache.kafka.common.security.auth.SecurityProtocol
import org.apache.kafka.common.test.junit.StandIns
import org.apache.kafka.common.utils.Time
import org.apache.kafka.metadata.storage.Formatter
import org.apache.kafka.server.common.MetadataVersion
import org.apache.kafka.server.fault.MockFaultHandler
import org.junit.jupiter.api.{AfterEach, BeforeEach, Tag, TestInfo}
import org.junit.jupiter.params.provider.Arguments
import org.opentest4j.TestAbortedException

import scala.collection.Seq

/**
 * Stands, earlier on the class path, in the place of the class of this name in Kafka's older harness, from which the
 * tests of its core inherit: the brokers that a test makes all stand for the external one, which starts with the
 * properties of the first. A test that asks for more of a cluster than one broker and one controller aborts.
 */
@Tag("integration")
abstract class QuorumTestHarness extends Logging {
  protected val controllerListenerSecurityProtocol: SecurityProtocol = SecurityProtocol.PLAINTEXT
  protected var implementation: QuorumImplementation = _
  val faultHandlerFactory = new QuorumTestHarnessFaultHandlerFactory(new MockFaultHandler("external"))
  val faultHandler: MockFaultHandler = faultHandlerFactory.faultHandler

  private var testInfo: TestInfo = _
  private var controllerProperties = new Properties
  private lazy val controller = StandIns.controllers().get(StandIns.CONTROLLER_ID)

  protected def kraftControllerConfigs(testInfo: TestInfo): Seq[Properties] = Seq(new Properties)

  protected def metadataVersion: MetadataVersion = MetadataVersion.latestTesting()

  protected def extraControllerSecurityProtocols(): Seq[SecurityProtocol] = Seq.empty

  def maybeGroupProtocolSpecified(): Option[GroupProtocol] = TestInfoUtils.maybeGroupProtocolSpecified(testInfo)

  def groupProtocolFromTestParameters(): GroupProtocol =
    maybeGroupProtocolSpecified().getOrElse(throw new IllegalStateException("the test names no group protocol"))

  @BeforeEach
  def setUp(testInfo: TestInfo): Unit = {
    this.testInfo = testInfo
    val properties = kraftControllerConfigs(testInfo)
    if (properties.size > 1) throw notHere("second controller")
    properties.foreach(controllerProperties.putAll)
  }

  @AfterEach
  def tearDown(): Unit = StandIns.close()

  def controllerServer: ControllerServer = controller

  def controllerServers: Seq[ControllerServer] = Seq(controller)

  def createBroker(
      config: KafkaConfig,
      time: Time = Time.SYSTEM,
      startup: Boolean = true,
      threadNamePrefix: Option[String] = None
  ): KafkaBroker = {
    if (time != Time.SYSTEM) throw notHere("clock of the test's own")
    val broker = StandIns.brokerToStart(config, controllerProperties)
    if (startup) broker.startup()
    broker
  }

  def addFormatterSettings(formatter: Formatter): Unit = {}

  def shutdownKRaftController(): Unit = throw notHere("end of the controller")

  protected def newKRaftQuorum(testInfo: TestInfo, properties: Properties): KRaftQuorumImplementation =
    throw notHere("second quorum")

  private def notHere(what: String) = new TestAbortedException(s"external broker: no $what")
}

/** Where parameterised tests find the group protocols that they run with. */
object QuorumTestHarness {
  def setUpClass(): Unit = {}

  def tearDownClass(): Unit = {}

  def verifyNoUnexpectedThreads(context: String): Unit = {}

  def getTestGroupProtocolParametersAll: stream.Stream[Arguments] =
    protocols(GroupProtocol.CLASSIC, GroupProtocol.CONSUMER)

  def getTestGroupProtocolParametersClassicGroupProtocolOnly: stream.Stream[Arguments] =
    protocols(GroupProtocol.CLASSIC)

  def getTestGroupProtocolParametersConsumerGroupProtocolOnly: stream.Stream[Arguments] =
    protocols(GroupProtocol.CONSUMER)

  private def protocols(names: GroupProtocol*): stream.Stream[Arguments] =
    stream.Stream.of(names.map(each => Arguments.of(each.name.toLowerCase(Locale.ROOT))): _*)
}
