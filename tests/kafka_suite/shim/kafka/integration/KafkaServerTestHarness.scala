package kafka.integration

import java.io.File
import java.time.Duration
import java.util.Properties

import kafka.server.{BrokerServer, KafkaBroker, KafkaConfig, QuorumTestHarness}
import kafka.utils.TestUtils
import org.apache.kafka.common.Uuid
import org.apache.kafka.common.acl.AccessControlEntry
import org.apache.kafka.common.network.ListenerName
import org.apache.kafka.common.resource.ResourcePattern
import org.apache.kafka.common.security.auth.SecurityProtocol
import org.apache.kafka.common.test.junit.StandIns
import org.apache.kafka.common.utils.Time
import org.junit.jupiter.api.{AfterEach, BeforeEach, TestInfo}
import org.opentest4j.TestAbortedException

import scala.collection.{Seq, mutable}
import scala.jdk.CollectionConverters._

/**
 * As QuorumTestHarness beside it, in the place of Kafka's class: a test has one broker, whatever number it asked for,
 * and one replica of each partition. Brokers cannot be ended and started again.
 */
abstract class KafkaServerTestHarness extends QuorumTestHarness {
  var instanceConfigs: Seq[KafkaConfig] = _
  var alive: Array[Boolean] = _
  private val running = new mutable.ArrayBuffer[KafkaBroker]

  def generateConfigs: Seq[KafkaConfig]

  def configs: Seq[KafkaConfig] = {
    if (instanceConfigs == null) instanceConfigs = generateConfigs
    instanceConfigs
  }

  def brokers: mutable.Buffer[KafkaBroker] = running

  def servers: mutable.Buffer[KafkaBroker] = running

  def brokerServers: mutable.Buffer[BrokerServer] = running.asInstanceOf[mutable.Buffer[BrokerServer]]

  def aliveBrokers: Seq[KafkaBroker] = running.toSeq

  def serverForId(id: Int): Option[KafkaBroker] = running.find(_.config.brokerId == id)

  def boundPort(server: KafkaBroker): Int = server.boundPort(listenerName)

  def bootstrapServers(listenerName: ListenerName = listenerName): String =
    TestUtils.bootstrapServers(running, listenerName)

  def configureSecurityBeforeServersStart(testInfo: TestInfo): Unit = {}

  def configureSecurityAfterServersStart(): Unit = {}

  protected def securityProtocol: SecurityProtocol = SecurityProtocol.PLAINTEXT

  protected def listenerName: ListenerName = ListenerName.forSecurityProtocol(securityProtocol)

  protected def trustStoreFile: Option[File] = None

  protected def serverSaslProperties: Option[Properties] = None

  protected def clientSaslProperties: Option[Properties] = None

  protected def brokerTime(brokerId: Int): Time = Time.SYSTEM

  @BeforeEach
  override def setUp(testInfo: TestInfo): Unit = {
    super.setUp(testInfo)
    configureSecurityBeforeServersStart(testInfo)
    val config = configs.head
    running += createBroker(config, brokerTime(config.brokerId))
    alive = Array(true)
    configureSecurityAfterServersStart()
  }

  @AfterEach
  override def tearDown(): Unit = {
    if (instanceConfigs != null) TestUtils.shutdownServers(running)
    super.tearDown()
  }

  def createOffsetsTopic(
      listenerName: ListenerName = listenerName,
      adminClientConfig: Properties = new Properties
  ): Unit = StandIns.createOffsetsTopic()

  def createTopic(
      topic: String,
      numPartitions: Int = 1,
      replicationFactor: Int = 1,
      topicConfig: Properties = new Properties,
      listenerName: ListenerName = listenerName,
      adminClientConfig: Properties = new Properties
  ): scala.collection.immutable.Map[Int, Int] = {
    StandIns.createTopic(topic, numPartitions, topicConfig)
    leaders(topic, numPartitions)
  }

  def createTopicWithAssignment(
      topic: String,
      partitionReplicaAssignment: collection.Map[Int, Seq[Int]],
      listenerName: ListenerName = listenerName
  ): scala.collection.immutable.Map[Int, Int] = {
    StandIns.createTopic(topic, partitionReplicaAssignment.size, new Properties)
    leaders(topic, partitionReplicaAssignment.size)
  }

  private def leaders(topic: String, partitions: Int): scala.collection.immutable.Map[Int, Int] =
    (0 until partitions).map(partition => partition -> running.head.config.brokerId).toMap

  def deleteTopic(topic: String, listenerName: ListenerName = listenerName): Unit = StandIns.deleteTopic(topic)

  def getTopicIds(names: Seq[String]): Map[String, Uuid] = getTopicIds().filter(each => names.contains(each._1))

  def getTopicIds(): Map[String, Uuid] = StandIns.ids().asScala.toMap

  def getTopicNames(): Map[Uuid, String] = getTopicIds().map(_.swap)

  def ensureConsistentKRaftMetadata(): Unit = {}

  def recreateBrokers(reconfigure: Boolean = false, startup: Boolean = false): Unit = throw notHere("new broker")

  def killRandomBroker(): Int = throw notHere("end of a broker")

  def killBroker(index: Int): Unit = throw notHere("end of a broker")

  def killBroker(index: Int, timeout: Duration): Unit = throw notHere("end of a broker")

  def startBroker(index: Int): Unit = throw notHere("second start")

  def restartDeadBrokers(reconfigure: Boolean = false): Unit = throw notHere("second start")

  def addAndVerifyAcls(acls: Set[AccessControlEntry], resource: ResourcePattern): Unit = throw notHere("authorizer")

  def removeAndVerifyAcls(acls: Set[AccessControlEntry], resource: ResourcePattern): Unit = throw notHere("authorizer")

  def waitForUserScramCredentialToAppearOnAllBrokers(principal: String, mechanism: String): Unit =
    throw notHere("credentials inside of a broker")

  def changeClientIdConfig(clientId: String, configs: Properties): Unit = throw notHere("quotas of the harness")

  private def notHere(what: String) = new TestAbortedException(s"external broker: no $what")
}
